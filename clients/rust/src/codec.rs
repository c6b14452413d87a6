//! Frames as bytes: what a session sends is encoded once, however often it is sent.

use bytes::{BufMut, Bytes};
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::v1;

/// A frame to be sent: its head, and the entries that follow.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) head: Vec<u8>,
    pub(crate) entries: Vec<Bytes>,
}

impl Frame {
    /// A frame of a message. All that a session may send is a frame of
    /// MemoryStream; those it shares with ObserveStream have the same numbers.
    pub(crate) fn of(frame: v1::memory_stream_request::Frame) -> Self {
        let message = v1::MemoryStreamRequest { frame: Some(frame) };
        Self {
            head: message.encode_to_vec(),
            entries: Vec::new(),
        }
    }

    /// A frame of a batch: observations (2) { first_sequence (1), observations (2)… }.
    pub(crate) fn batch(first: u64, entries: Vec<Bytes>, size: u64) -> Self {
        use prost::encoding::{encode_varint, encoded_len_varint};
        let mut head = vec![0x12];
        encode_varint(1 + encoded_len_varint(first) as u64 + size, &mut head);
        head.push(0x08);
        encode_varint(first, &mut head);
        Self { head, entries }
    }
}

/// An observation as it stands in a batch: tag, length, bytes.
pub(crate) fn entry(observation: &v1::Observation) -> Bytes {
    let mut out = Vec::with_capacity(observation.encoded_len() + 6);
    prost::encoding::message::encode(2, observation, &mut out);
    Bytes::from(out)
}

/// Sends frames, receives messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FrameCodec;

impl Codec for FrameCodec {
    type Encode = Frame;
    type Decode = v1::MemoryStreamResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for FrameCodec {
    type Item = Frame;
    type Error = Status;

    fn encode(&mut self, frame: Frame, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.put_slice(&frame.head);
        for entry in &frame.entries {
            dst.put_slice(entry);
        }
        Ok(())
    }
}

impl Decoder for FrameCodec {
    type Item = v1::MemoryStreamResponse;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        v1::MemoryStreamResponse::decode(src)
            .map(Some)
            .map_err(|err| Status::internal(format!("a frame of the server's is malformed: {err}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_what_prost_makes_of_it() {
        let observation = |n: u32| v1::Observation {
            id: format!("o-{n}"),
            content: "x".repeat(n as usize * 100),
            ..Default::default()
        };
        let batch = v1::ObservationBatch {
            first_sequence: 70_000,
            observations: (1..4).map(observation).collect(),
        };
        let entries: Vec<Bytes> = batch.observations.iter().map(entry).collect();
        let size = entries.iter().map(|e| e.len() as u64).sum();
        let frame = Frame::batch(70_000, entries, size);
        let bytes = [frame.head.clone(), frame.entries.concat()].concat();
        let wanted = Frame::of(v1::memory_stream_request::Frame::Observations(batch));
        assert_eq!(bytes, wanted.head);
    }
}
