//! Vectors as bytes, and back.

use bytes::Bytes;
use half::f16;

use crate::v1;

/// Packs a vector: little-endian binary32 or, halved, binary16.
pub(crate) fn pack(values: &[f32], halved: bool) -> v1::Embedding {
    let (data, encoding) = if halved {
        let halves = values.iter().map(|x| f16::from_f32(*x).to_le_bytes());
        (
            halves.flatten().collect::<Vec<u8>>(),
            v1::VectorEncoding::F16Le,
        )
    } else {
        let singles = values.iter().map(|x| x.to_le_bytes());
        (singles.flatten().collect(), v1::VectorEncoding::F32Le)
    };
    v1::Embedding {
        values: Vec::new(),
        packed: Some(v1::PackedVector {
            data: Bytes::from(data),
            encoding: encoding.into(),
        }),
    }
}

/// Reads a vector in any of its forms, and whether it was halved; none of a
/// newer server's.
pub(crate) fn unpack(m: v1::Embedding) -> Option<(Vec<f32>, bool)> {
    let Some(packed) = m.packed else {
        return Some((m.values, false));
    };
    let data = packed.data.as_ref();
    match v1::VectorEncoding::try_from(packed.encoding) {
        Ok(v1::VectorEncoding::F32Le) => {
            let singles = data
                .chunks_exact(4)
                .map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]));
            Some((singles.collect(), false))
        }
        Ok(v1::VectorEncoding::F16Le) => {
            let halves = data
                .chunks_exact(2)
                .map(|c| f16::from_le_bytes([c[0], c[1]]).to_f32());
            Some((halves.collect(), true))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packed_vectors_come_back(values in proptest::collection::vec(any::<f32>(), 0..40)) {
            let (back, halved) = unpack(pack(&values, false)).unwrap();
            prop_assert!(!halved);
            prop_assert_eq!(back.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
                values.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
        }

        #[test]
        fn halves_come_back_when_they_can(values in proptest::collection::vec(-512i16..512, 0..40)) {
            let values: Vec<f32> = values.into_iter().map(|x| f32::from(x) / 64.0).collect();
            prop_assert_eq!(unpack(pack(&values, true)), Some((values, true)));
        }
    }

    #[test]
    fn an_encoding_of_a_newer_server_is_no_vector() {
        let mut m = pack(&[1.0], false);
        if let Some(packed) = m.packed.as_mut() {
            packed.encoding = 99;
        }
        assert_eq!(unpack(m), None);
    }
}
