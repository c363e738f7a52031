//! What must hold at the end of every game.

use super::plays::{ClientPlay, NodePlay};
use super::world::World;
use crate::block::subsidy;
use crate::job::JobStatus;
use crate::units::{Amount, Height};

const CLIENTS: [&str; 3] = ["coin", "change", "client"];
const NODES: [&str; 2] = ["node", "reward"];

impl World {
    /// What the client and the node own now, in units.
    pub fn owns(&self) -> (i128, i128) {
        (self.owned(&CLIENTS).0.into(), self.owned(&NODES).0.into())
    }

    /// What the client and the node won or lost.
    pub fn won(&self) -> (i128, i128) {
        let (client, node) = self.owns();
        (client - i128::from(self.had.0.0), node - i128::from(self.had.1.0))
    }

    /// Whether the settlement is in the chain.
    pub fn settled(&self) -> bool {
        self.node.as_ref().is_some_and(|n| n.track.settled_at().is_some())
    }

    /// Fails unless the money is all there and no honest party lost more than it agreed to.
    pub fn check_accounts(&self) {
        let all: Amount = self.chain.store().coins().values().map(|c| c.output.value).sum();
        let made = (1..=self.chain.height().0).map(|h| subsidy(self.network(), Height(h))).sum::<Amount>();
        assert_eq!(all, made, "value is conserved: fees go to miners, nothing is burnt");

        let p = &self.client.create.params;
        let [reward, stake, fee, f] = [p.reward, p.stake, p.fee, p.move_fee].map(|a| i128::from(a.0));
        let (client, node) = self.won();
        if self.game.node == NodePlay::Honest {
            // "Nobody honest loses money": fees come from the client's reserve.
            assert_eq!(node, if self.settled() { reward } else { 0 }, "the honest node");
        }
        if self.game.client == ClientPlay::Honest {
            let answered = self.client.answer.is_some() || self.client.verdict.is_some();
            let least = match (self.settled(), answered) {
                (false, _) => 0,
                // Demand and claim: reward, reserve and the node's stake, less fees.
                (true, false) => stake - fee - 2 * f,
                // Demand, reveal and finalize at the most.
                (true, true) => -reward - fee - 3 * f,
            };
            assert!(client >= least, "the honest client has {client}, at least {least} expected");
            if self.client.status() == JobStatus::Closed {
                assert!(answered, "paid for, and no answer");
            }
        }
    }
}
