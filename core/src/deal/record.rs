//! What happened to a deal, and when.

use crate::encode::{Decode, DecodeError, Encode, Reader, put_vec};
use crate::encode_struct;
use crate::job::JobStatus;
use crate::units::{Height, Timestamp};
use alloc::vec::Vec;

/// A status and when it was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// The status.
    pub status: JobStatus,
    /// The time.
    pub time: Timestamp,
    /// The last block's height then.
    pub height: Height,
}
encode_struct!(TimelineEntry { status, time, height });

/// The statuses of a deal in the order in which they were reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline(Vec<TimelineEntry>);

/// A status may be reached again after a reorganisation; this bounds the record.
const MAX_ENTRIES: usize = 256;

impl Timeline {
    /// The current status.
    pub fn status(&self) -> JobStatus {
        self.0.last().map_or(JobStatus::Created, |e| e.status)
    }

    /// Notes a status, unless it is the current one.
    pub fn reach(&mut self, status: JobStatus, time: Timestamp, height: Height) {
        if self.0.last().is_none_or(|e| e.status != status) {
            self.0.truncate(MAX_ENTRIES - 1);
            self.0.push(TimelineEntry { status, time, height });
        }
    }

    /// All entries.
    pub fn entries(&self) -> &[TimelineEntry] {
        &self.0
    }
}

impl Encode for Timeline {
    fn encode(&self, out: &mut Vec<u8>) {
        put_vec(&self.0, out);
    }
}

impl Decode for Timeline {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.vec("timeline", MAX_ENTRIES).map(Timeline)
    }
}
