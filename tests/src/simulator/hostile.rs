//! What hostile nodes do instead.

use camelid_core::block::NetworkParams;
use camelid_core::hash::BlockHash;
use camelid_core::message::{ChainStatus, Request, Response};
use camelid_core::units::Height;

/// What a node is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Character {
    /// Follows the protocol.
    Honest,
    /// Answers no question.
    Mute,
    /// Answers and relays, but gives no blocks.
    Withholder,
    /// Gives other blocks than it was asked for.
    Liar,
    /// Says that it has the longest chain, and gives no headers.
    Boaster,
    /// Mines blocks that make too much.
    Forger,
    /// Sends transactions that nobody signed, blocks without ancestors, and noise.
    Flooder,
}

impl Character {
    /// All hostile ones.
    pub const HOSTILE: [Character; 6] = [
        Character::Mute,
        Character::Withholder,
        Character::Liar,
        Character::Boaster,
        Character::Forger,
        Character::Flooder,
    ];

    /// What becomes of an answer; `None` for none.
    pub fn answer(self, request: &Request, honest: Response, params: &NetworkParams) -> Option<Response> {
        Some(match (self, request, honest) {
            (Character::Mute, ..) => return None,
            (Character::Withholder, Request::Blocks(_), _) => Response::Blocks(Vec::new()),
            (Character::Liar, Request::Blocks(hashes), _) => {
                Response::Blocks(vec![params.genesis(); hashes.len().min(3)])
            }
            (Character::Boaster, Request::Status(_), Response::Status(status)) => {
                Response::Status(ChainStatus { tip: BlockHash([9; 32]), height: Height(5_000_000), ..status })
            }
            (Character::Boaster, Request::Headers(_), _) => Response::Headers(Vec::new()),
            (_, _, honest) => honest,
        })
    }
}
