//! What can go wrong, with codes and reasons that stay the same.

use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::events::Rejection;

/// The result of what may fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What the server answered in place of a result, or what kept it from answering.
///
/// Programs tell errors apart by [`code`](Error::code) and
/// [`reason`](Error::reason); the message is for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Error(Box<Facts>);

#[derive(Clone, Debug, PartialEq)]
struct Facts {
    code: Code,
    reason: String,
    message: String,
    field: String,
    retryable: bool,
    retry_after: Duration,
    rejections: Vec<Rejection>,
    more: u64,
}

impl Error {
    pub(crate) fn new(code: Code, reason: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Facts {
            code,
            reason: reason.to_owned(),
            message: message.into(),
            field: String::new(),
            retryable: false,
            retry_after: Duration::ZERO,
            rejections: Vec::new(),
            more: 0,
        }))
    }

    /// What the transport said, and not the server: worth a retry.
    pub(crate) fn transport(message: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, "TRANSPORT", message).retry(Duration::ZERO)
    }

    /// The session, or client, is closed.
    pub(crate) fn closed() -> Self {
        Self::new(Code::FailedPrecondition, "CLOSED", "the session is closed")
    }

    /// What is to be sent breaks a rule.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        let mut out = Self::new(Code::InvalidArgument, "INVALID_FIELD", message);
        out.0.field = field.to_owned();
        out
    }

    pub(crate) fn deadline(waited: Duration) -> Self {
        let message = format!("the {waited:?} given were over");
        Self::new(Code::DeadlineExceeded, "DEADLINE", message)
    }

    pub(crate) fn rejected(rejections: Vec<Rejection>, more: u64) -> Self {
        let n = rejections.len() as u64 + more;
        let (reason, told) = match rejections.first() {
            None => (String::new(), format!("{n} observations were rejected")),
            Some(first) => {
                let what = match n {
                    1 => format!("observation {} was rejected", first.sequence),
                    _ => format!(
                        "{n} observations were rejected; the first, number {}",
                        first.sequence
                    ),
                };
                let id = match first.id.as_str() {
                    "" => String::new(),
                    id => format!(" ({id:?})"),
                };
                (
                    first.reason.clone(),
                    format!("{what}{id}: {}", first.message),
                )
            }
        };
        let mut out = Self::new(Code::InvalidArgument, &reason, told);
        (out.0.rejections, out.0.more) = (rejections, more);
        out
    }

    pub(crate) fn retry(mut self, after: Duration) -> Self {
        (self.0.retryable, self.0.retry_after) = (true, after);
        self
    }

    /// The status code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The status code as the Connect protocol spells it, such as `not_found`.
    pub fn code_name(&self) -> &'static str {
        code_name(self.0.code)
    }

    /// A stable word, such as `QUEUE_FULL`; `TRANSPORT` for what the server did not say.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// For people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The offending field; empty if there is none.
    pub fn field(&self) -> &str {
        &self.0.field
    }

    /// Whether the same may succeed later.
    pub fn retryable(&self) -> bool {
        self.0.retryable
    }

    /// After how long a retry may help; meaningful when retryable.
    pub fn retry_after(&self) -> Duration {
        self.0.retry_after
    }

    /// The observations that were not kept, at most 10,000 of them; empty for
    /// every other kind of error.
    pub fn rejections(&self) -> &[Rejection] {
        &self.0.rejections
    }

    /// How many rejections there were beyond those in the list.
    pub fn more_rejections(&self) -> u64 {
        self.0.more
    }

    /// Whether a stream that ended so is not to be opened again.
    pub(crate) fn is_final(&self) -> bool {
        let transport = [
            Code::Unavailable,
            Code::Cancelled,
            Code::Internal,
            Code::Unknown,
        ];
        !self.0.retryable && self.0.reason != "TRANSPORT" && !transport.contains(&self.0.code)
    }

    /// Whether a failed attempt to resume may be made again.
    pub(crate) fn comes_back(&self) -> bool {
        self.0.retryable || self.0.code == Code::Unavailable || self.0.reason == "TRANSPORT"
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code_name(), self.0.message)?;
        match self.0.reason.as_str() {
            "" => Ok(()),
            reason => write!(f, " ({reason})"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        let retry = details.retry_info().map(|r| r.retry_delay);
        let message = match status.message() {
            "" => code_name(status.code()),
            said => said,
        };
        let reason = info.map_or("TRANSPORT", |i| i.reason.as_str());
        let mut out = Self::new(status.code(), reason, message);
        if let Some(field) = info.and_then(|i| i.metadata.get("field")) {
            out.0.field.clone_from(field);
        }
        // Without a reason nothing of the server's own code has spoken.
        if retry.is_some() || info.is_none() && status.code() == Code::Unavailable {
            out = out.retry(retry.flatten().unwrap_or_default());
        }
        out
    }
}

/// Spells a status code as the Connect protocol does.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "canceled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    #[test]
    fn details_are_read() {
        let mut details = ErrorDetails::new();
        details.set_error_info(
            "QUEUE_FULL",
            "engram",
            [("field".to_owned(), "observations".to_owned())],
        );
        details.set_retry_info(Some(Duration::from_millis(250)));
        let status = Status::with_error_details(Code::ResourceExhausted, "no room", details);
        let err = Error::from(status);
        assert_eq!(
            (err.code_name(), err.reason(), err.field()),
            ("resource_exhausted", "QUEUE_FULL", "observations")
        );
        assert!(err.retryable() && !err.is_final());
        assert_eq!(err.retry_after(), Duration::from_millis(250));
        assert_eq!(err.to_string(), "resource_exhausted: no room (QUEUE_FULL)");
    }

    #[test]
    fn what_the_transport_says_is_worth_a_retry() {
        for (code, retryable, last) in [
            (Code::Unavailable, true, false),
            (Code::Internal, false, false),
            (Code::Unknown, false, false),
        ] {
            let err = Error::from(Status::new(code, "broken pipe"));
            assert_eq!(err.reason(), "TRANSPORT");
            assert_eq!((err.retryable(), err.is_final()), (retryable, last));
            assert!(err.comes_back());
        }
        let mut details = ErrorDetails::new();
        details.set_error_info("SESSION_CLOSED", "engram", []);
        let status = Status::with_error_details(Code::NotFound, "closed", details);
        let err = Error::from(status);
        assert!(err.is_final() && !err.comes_back());
    }
}
