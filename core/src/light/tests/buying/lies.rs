//! Peers that lie about jobs, beside one that does not: the liar is named, the job goes on.

use super::node::Node;
use super::peers::Lie;
use super::town::*;
use crate::light::{Fault, JobState};

/// Whether a fault is what a lie deserves.
fn fits(lie: Lie, fault: &Fault) -> bool {
    match lie {
        Lie::ForgedProof => matches!(fault, Fault::Proof(_)),
        Lie::OtherProof => matches!(fault, Fault::OtherTransaction { .. }),
        Lie::ForgedAccept | Lie::ForeignCoin | Lie::ForgedTestament => matches!(fault, Fault::Report { .. }),
        Lie::OtherJob => matches!(fault, Fault::OtherJob { .. }),
        Lie::ForgedOffer => matches!(fault, Fault::Offer(_)),
        Lie::Confused => matches!(fault, Fault::OtherKind),
        Lie::Silent => matches!(fault, Fault::Silent { .. }),
        Lie::Refuser => false,
    }
}

#[test]
fn each_liar_is_charged_and_the_job_goes_on() {
    use Lie::*;
    let lies =
        [ForgedProof, OtherProof, ForgedAccept, ForeignCoin, OtherJob, ForgedTestament, ForgedOffer, Confused, Refuser];
    for lie in lies {
        let mut charged = false;
        for (liar, seed) in [0, 1].into_iter().flat_map(|liar| [(liar, 0), (liar, 1), (liar, 2)]) {
            let mut town = Town::new(Node::Honest, 2);
            // Peers are asked in turn: whose turn it is depends on how much was asked before.
            town.run(seed);
            town.lies.insert(liar, lie);
            let job = town.create();
            // The offers are asked for again.
            town.estimate(None);
            town.until_over(&job);
            assert_eq!(town.state(&job), JobState::Done, "{lie:?}");
            assert!(!town.world.blamed.contains_key(&(1 - liar)), "{lie:?}: {:?}", town.world.blamed);
            if let Some(fault) = town.world.blamed.get(&liar) {
                assert!(fits(lie, fault), "{lie:?}: {fault}");
                charged = true;
            }
        }
        assert!(charged || lie == Refuser, "{lie:?} was never charged");
    }
}

#[test]
fn a_false_proof_of_the_stake_coin_is_charged_and_never_believed() {
    let mut town = Town::new(Node::Honest, 1);
    town.lies.insert(0, Lie::ForgedProof);
    let job = town.create();
    town.until("charged", |town| !town.world.blamed.is_empty());
    assert!(matches!(town.world.blamed[&0], Fault::Proof(_)));
    town.run(30);
    assert_eq!((town.state(&job), town.view(&job).node), (JobState::WaitingForNode, None));
}

#[test]
fn who_says_nothing_about_jobs_is_charged_in_the_end() {
    let mut town = Town::new(Node::Honest, 2);
    town.lies.insert(0, Lie::Silent);
    let job = town.create();
    town.until_over(&job);
    assert_eq!(town.state(&job), JobState::Done);
    assert!(town.world.blamed.get(&0).is_none_or(|fault| fits(Lie::Silent, fault)), "{:?}", town.world.blamed);
    assert!(!town.world.blamed.contains_key(&1));
}
