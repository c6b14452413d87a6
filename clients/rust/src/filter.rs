//! Filters: tests of an observation's fields.
//!
//! ```
//! use engram_client::filter::{eq, exists, range, where_all};
//! let filter = where_all([eq("metadata.country", "Italy"), range("confidence", Some(0.8), None)]);
//! assert_eq!(filter.all.len(), 2);
//! assert!(exists("metadata.due", true).test.is_some());
//! ```

use serde_json::Value;

use crate::observation::to_value;
use crate::v1::{self, filter_clause::Test};

fn clause(key: &str, test: Test) -> v1::FilterClause {
    v1::FilterClause {
        key: key.to_owned(),
        test: Some(test),
    }
}

/// The field equals a number, string, bool or null.
pub fn eq(key: &str, value: impl Into<Value>) -> v1::FilterClause {
    clause(key, Test::Equals(to_value(&value.into())))
}

/// The field equals one of the values.
pub fn one_of<V: Into<Value>>(key: &str, values: impl IntoIterator<Item = V>) -> v1::FilterClause {
    let values = values.into_iter().map(|v| to_value(&v.into())).collect();
    clause(key, Test::In(prost_types::ListValue { values }))
}

/// The field lies between two bounds, which match themselves; none is open.
pub fn range<V: Into<Value>>(key: &str, min: Option<V>, max: Option<V>) -> v1::FilterClause {
    let bound = |v: Option<V>| v.map(|v| to_value(&v.into()));
    let range = v1::FilterRange {
        min: bound(min),
        max: bound(max),
        ..Default::default()
    };
    clause(key, Test::Range(range))
}

/// The field is there or, with false, is not.
pub fn exists(key: &str, there: bool) -> v1::FilterClause {
    clause(key, Test::Exists(there))
}

/// The filter that all clauses must match.
pub fn where_all(all: impl IntoIterator<Item = v1::FilterClause>) -> v1::Filter {
    v1::Filter {
        all: all.into_iter().collect(),
        ..Default::default()
    }
}
