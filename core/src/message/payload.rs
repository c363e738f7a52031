//! What an envelope carries.

use crate::block::Block;
use crate::encode::{Decode, DecodeError, Encode, Reader, put_bytes};
use crate::encode_struct;
use crate::hash::JobId;
use crate::job::{JobAccept, JobAssign, JobClose, JobCreate, JobDelivery, ServiceOffer, Signed, Testament};
use crate::transaction::Transaction;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The largest ciphertext, in bytes: that of the longest answer any network allows, with room.
const MAX_CIPHERTEXT: usize = 1 << 20;

/// Who listens to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// New blocks.
    Blocks,
    /// Loose transactions.
    Transactions,
    /// Job offers, accepts, testaments, and who serves what.
    Jobs,
}

impl Topic {
    /// All topics.
    pub const ALL: [Topic; 3] = [Topic::Blocks, Topic::Transactions, Topic::Jobs];

    /// The topic's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Topic::Blocks => "blocks",
            Topic::Transactions => "transactions",
            Topic::Jobs => "jobs",
        }
    }
}

/// The client asks for the sealed answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CiphertextRequest {
    /// The job.
    pub job_id: JobId,
}
encode_struct!(CiphertextRequest { job_id });

/// The sealed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ciphertext {
    /// The job.
    pub job_id: JobId,
    /// The sealed answer.
    pub bytes: Vec<u8>,
}

impl Encode for Ciphertext {
    fn encode(&self, out: &mut Vec<u8>) {
        self.job_id.encode(out);
        put_bytes(&self.bytes, out);
    }
}

impl Decode for Ciphertext {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Ciphertext { job_id: Decode::decode(r)?, bytes: r.bytes("ciphertext", MAX_CIPHERTEXT)?.to_vec() })
    }
}

macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident($t:ty) = $kind:literal, topic: $topic:expr;)*) => {
        /// The content of a message, by type. Those with a topic are broadcast, the others addressed.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Payload {
            $($(#[$doc])* $name(Box<$t>),)*
        }

        impl Payload {
            /// The message type.
            pub fn kind(&self) -> u8 {
                match self { $(Payload::$name(_) => $kind,)* }
            }

            /// The encoded content.
            pub fn body(&self) -> Vec<u8> {
                match self { $(Payload::$name(p) => p.to_bytes(),)* }
            }

            /// The topic on which it is broadcast; `None` for what is addressed.
            pub fn topic(&self) -> Option<Topic> {
                match self { $(Payload::$name(_) => $topic,)* }
            }

            /// From message type and content.
            pub fn from_parts(kind: u8, body: &[u8]) -> Result<Self, DecodeError> {
                match kind {
                    $($kind => <$t>::from_bytes(body).map(|p| Payload::$name(Box::new(p))),)*
                    other => Err(DecodeError::InvalidValue { what: "message type", value: other as u64 }),
                }
            }
        }

        $(impl From<$t> for Payload {
            fn from(p: $t) -> Self {
                Payload::$name(Box::new(p))
            }
        })*
    };
}

payloads! {
    /// A new block.
    Block(Block) = 1, topic: Some(Topic::Blocks);
    /// A loose transaction.
    Transaction(Transaction) = 2, topic: Some(Topic::Transactions);
    /// Who serves what.
    ServiceOffer(Signed<ServiceOffer>) = 3, topic: Some(Topic::Jobs);
    /// A client offers a job.
    JobCreate(JobCreate) = 4, topic: Some(Topic::Jobs);
    /// A node binds itself to a job.
    JobAccept(Signed<JobAccept>) = 5, topic: Some(Topic::Jobs);
    /// A node's statement to a job.
    Testament(Testament) = 6, topic: Some(Topic::Jobs);
    /// The private part, to the chosen node.
    JobAssign(Signed<JobAssign>) = 7, topic: None;
    /// The client asks for the sealed answer.
    CiphertextRequest(CiphertextRequest) = 8, topic: None;
    /// The sealed answer.
    Ciphertext(Ciphertext) = 9, topic: None;
    /// The key to the answer.
    JobDelivery(Signed<JobDelivery>) = 10, topic: None;
    /// The client agrees to close.
    JobClose(JobClose) = 11, topic: None;
}
