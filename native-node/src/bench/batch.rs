//! Jobs together against the same jobs one after another, through the thread that the node runs.

use super::{BenchError, PROMPT, Subject};
use crate::compute::{ComputeThread, Done, Limits, Work};
use camelid_core::hash::JobId;
use camelid_core::model::Sampling;
use serde::Serialize;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct BatchReport {
    /// Jobs.
    pub jobs: u32,
    /// Tokens a second of all of them, one job after another.
    pub one_by_one_tokens_per_second: f64,
    /// Tokens a second of all of them, all at once.
    pub together_tokens_per_second: f64,
    /// The second over the first.
    pub ratio: f64,
}

pub(super) fn measure(
    subject: &Subject,
    jobs: u32,
    tokens: u32,
    progress: &dyn Fn(&str),
) -> Result<BatchReport, BenchError> {
    let (sender, done) = channel();
    let own = subject.clone();
    let open = move |_: &_| own.open();
    let limits = Limits { jobs: jobs as usize, ..Limits::default() };
    limits.fits(&subject.package, jobs as u64 * (PROMPT as u64 + tokens as u64))?;
    let thread = ComputeThread::start(Box::new(open), limits, move |d| {
        let _ = sender.send(d);
    });
    let work = |n: u32| Work::Generate {
        job: JobId::default(),
        package: subject.package.clone(),
        prompt: subject.text(PROMPT, n * 1_000),
        sampling: Sampling::GREEDY,
        seed: 0,
        limit: tokens,
    };
    // The engine is opened with the first job.
    thread.send(work(jobs));
    generated(&done)?;

    progress("jobs one after another");
    let start = Instant::now();
    let mut alone = Vec::new();
    for n in 0..jobs {
        thread.send(work(n));
        alone.push(generated(&done)?);
    }
    let one_by_one = alone.iter().sum::<usize>() as f64 / start.elapsed().as_secs_f64();

    progress("jobs together");
    let start = Instant::now();
    (0..jobs).for_each(|n| thread.send(work(n)));
    let together = (0..jobs).map(|_| generated(&done)).sum::<Result<usize, _>>()?;
    let together = together as f64 / start.elapsed().as_secs_f64();
    Ok(BatchReport {
        jobs,
        one_by_one_tokens_per_second: one_by_one,
        together_tokens_per_second: together,
        ratio: together / one_by_one,
    })
}

/// Waits for an answer; gives its length.
fn generated(done: &Receiver<Done>) -> Result<usize, BenchError> {
    match done.recv() {
        Ok(Done::Generated(_, Ok((tokens, _)))) => Ok(tokens.len()),
        Ok(Done::Generated(_, Err(error)) | Done::Checked(_, Err(error))) => Err(BenchError::Job(error)),
        Ok(Done::Checked(_, Ok(_))) | Err(_) => Err(BenchError::Job("the compute thread is gone".into())),
    }
}
