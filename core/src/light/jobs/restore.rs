//! Saving jobs, and what is left of them after a restart.

use super::record::{Job, Record, TAG, VERSION};
use super::step::known_until;
use super::{Jobs, RestoreJobError};
use crate::encode::Encode;
use crate::hash::{JobId, sha256};
use crate::job::JobStatus;
use crate::keys::JobKey;
use crate::light::LightClient;
use crate::light::save::{RestoreError, from_saved, to_saved};
use crate::sorted::Set;
use crate::transaction::OutPoint;
use alloc::vec::Vec;

/// What has changed and is to be stored, in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsavedJobs {
    /// What [`Jobs::saved`] is told when all of it is stored.
    pub ticket: u64,
    /// Jobs to be written, each in place of what was written for it before.
    pub put: Vec<(JobId, Vec<u8>)>,
    /// Jobs to be deleted.
    pub remove: Vec<JobId>,
}

impl<P: Copy + Ord> Jobs<P> {
    /// Everything that has changed and is not known to be stored; none where that is nothing. Each gives all that is to
    /// be stored at that moment, so a later one may overtake an earlier one.
    pub fn take_unsaved(&mut self) -> Option<UnsavedJobs> {
        let new = |changed: u64| changed > self.saved;
        let jobs = self.jobs.iter().filter(|(_, job)| new(job.changed));
        let bytes = |record: &Record| to_saved(TAG, VERSION, self.params, record);
        let put: Vec<_> = jobs.map(|(id, job)| (*id, bytes(&job.record))).collect();
        let remove: Vec<_> = self.removed.iter().filter(|(_, at)| new(**at)).map(|(id, _)| *id).collect();
        (!put.is_empty() || !remove.is_empty()).then_some(UnsavedJobs { ticket: self.changes, put, remove })
    }

    /// What came with this ticket is stored: what waited for it goes out with the next [`Jobs::next`].
    pub fn saved(&mut self, ticket: u64) {
        self.saved = self.saved.max(ticket.min(self.changes));
        let saved = self.saved;
        self.removed.retain(|_, at| *at > saved);
    }

    /// Takes up the jobs that were saved: once, before anything else, with a client that was restored or is new. Those
    /// under way go on. Gives what is wrong with those that are refused; the others are there.
    ///
    /// Coins that the client put aside for no job that is there are free again, unless a record was refused: they may
    /// be its.
    pub fn restore<'a>(
        &mut self,
        client: &mut LightClient<P>,
        records: impl IntoIterator<Item = &'a [u8]>,
    ) -> Vec<RestoreJobError> {
        let mut refused = Vec::new();
        for (place, bytes) in records.into_iter().enumerate() {
            if let Err(error) = self.restore_one(client, bytes) {
                refused.push(RestoreJobError { record: place, error });
            }
        }
        let live = self.jobs.values().map(|job| &job.record.deal).filter(|deal| !deal.is_over());
        let bound: Set<OutPoint> = live.flat_map(|deal| deal.create.coins.iter().map(|c| c.outpoint)).collect();
        let ledger = client.ledger_mut();
        if refused.is_empty() {
            let free: Vec<OutPoint> = ledger.held().filter(|coin| !bound.contains(coin)).copied().collect();
            ledger.release(&free);
        }
        ledger.hold(bound);
        for job in self.jobs.values().filter(|job| job.record.deal.is_over()) {
            self.known.extend(known_until(job, self.params));
        }
        let dead = |job: &&Job<P>| matches!(job.record.deal.status(), JobStatus::Expired | JobStatus::Refunded);
        let dead = self.jobs.values().filter(|job| job.record.deal.is_over()).filter(dead);
        dead.filter_map(|job| job.record.deal.settlement_id()).for_each(|txid| ledger.forget(&txid));
        refused
    }

    fn restore_one(&mut self, client: &mut LightClient<P>, bytes: &[u8]) -> Result<(), RestoreError> {
        let mut record: Record = from_saved(TAG, VERSION, self.params, bytes)?;
        let (index, params) = (record.deal.key_index, &record.deal.create.params);
        if client.keyring().keys().job(index, JobKey::Client)?.public_key() != params.client_key {
            return Err(RestoreError::Mismatch { what: "job" });
        }
        client.note_job(index)?;
        record.deal.resume();
        let id = record.deal.create.id(self.params.network);
        // Whether somebody took the offer is forgotten.
        self.jobs.insert(id, Job { hash: sha256(&record.to_bytes()), spread: true, ..Job::new(record) });
        Ok(())
    }
}
