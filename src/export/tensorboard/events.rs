//! [`Events`]: the content of an event file.
//!
//! Each event is a record of the TFRecord format: the length as a little-endian `u64`, a checksum of the length, the
//! message, and a checksum of the message. A checksum is a CRC-32C, rotated and offset so that the checksum of data that
//! contains checksums is not weak.

use jiff::Timestamp;
use prost::Message;

use super::proto::{
    Content, Event, FILE_VERSION, HPARAMS_PLUGIN, HParams, HParamsData, Image, Metadata,
    PluginData, Summary, SummaryValue, Tensor, What,
};

/// Seconds since 1970.
pub(super) fn seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1e3
}

/// Events of one file, as bytes. All have the same time.
pub(super) struct Events {
    wall_time: f64,
    bytes: Vec<u8>,
}

impl Events {
    pub(super) fn new(time: Timestamp) -> Self {
        let mut events = Self {
            wall_time: seconds(time),
            bytes: Vec::new(),
        };
        events.add(0, What::FileVersion(FILE_VERSION.to_owned()));
        events
    }

    pub(super) fn scalar(&mut self, tag: &str, step: u64, value: f64) {
        self.value(tag, step, None, Content::Scalar(value as f32));
    }

    pub(super) fn image(&mut self, tag: &str, step: u64, image: Image) {
        self.value(tag, step, None, Content::Image(image));
    }

    /// Adds data of the hyperparameters plugin.
    pub(super) fn hparams(&mut self, tag: &str, data: HParamsData) {
        const VERSION: i32 = 0;
        let data = HParams {
            version: VERSION,
            data: Some(data),
        };
        let plugin = PluginData {
            name: HPARAMS_PLUGIN.to_owned(),
            content: data.encode_to_vec(),
        };
        let metadata = Metadata {
            plugin: Some(plugin),
        };
        self.value(tag, 0, Some(metadata), Content::Tensor(Tensor::empty()));
    }

    fn value(&mut self, tag: &str, step: u64, metadata: Option<Metadata>, content: Content) {
        let value = SummaryValue {
            tag: tag.to_owned(),
            metadata,
            content: Some(content),
        };
        self.add(step, What::Summary(Summary { value: vec![value] }));
    }

    fn add(&mut self, step: u64, what: What) {
        let event = Event {
            wall_time: self.wall_time,
            step: i64::try_from(step).unwrap_or(i64::MAX),
            what: Some(what),
        };
        frame(&event.encode_to_vec(), &mut self.bytes);
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Appends a TFRecord.
fn frame(message: &[u8], to: &mut Vec<u8>) {
    let length = (message.len() as u64).to_le_bytes();
    to.extend(length);
    to.extend(masked_checksum(&length).to_le_bytes());
    to.extend(message);
    to.extend(masked_checksum(message).to_le_bytes());
}

fn masked_checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `tensorboard.compat.tensorflow_stub.pywrap_tensorflow.masked_crc32c` of tensorboard 2.21.0.
    #[test]
    fn records_have_the_checksums_of_tensorboard() {
        assert_eq!(masked_checksum(b""), MASKED[0]);
        assert_eq!(masked_checksum(b"123456789"), MASKED[1]);
        let mut bytes = Vec::new();
        frame(b"abc", &mut bytes);
        assert_eq!(bytes.len(), 8 + 4 + 3 + 4);
        assert_eq!(&bytes[12..15], b"abc");
    }

    const MASKED: [u32; 2] = [2_726_488_792, 3_347_755_237];
}
