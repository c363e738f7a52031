//! The thread that runs the models: answers and checks of many jobs, in one pass of the engine a step ("concurrent
//! inference", paper 3.2). A job that comes joins at the next step, one that is done leaves; its answer has the same bits
//! alone or among others.

mod memory;
mod scheduler;
mod task;

#[cfg(test)]
mod tests;

pub use memory::{Memory, MemoryError, MemoryUnit, available, sequence_bytes};
pub use scheduler::{Limits, Opener, Scheduler};
pub use task::{AnswerCheck, Done, Work};

use camelid_core::hash::JobId;
use camelid_core::model::Package;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

enum Message {
    Work(Work),
    Cancel(JobId),
}

/// The thread, for those who give it work.
#[derive(Clone, Debug)]
pub struct ComputeThread {
    queue: Sender<Message>,
    limits: Limits,
}

impl ComputeThread {
    /// Starts it. `open` makes a model's engine; what is done goes to `done`.
    pub fn start(open: Opener, limits: Limits, done: impl FnMut(Done) + Send + 'static) -> Self {
        let (queue, messages) = channel();
        let scheduler = Scheduler::new(open, limits);
        std::thread::Builder::new()
            .name("compute".into())
            .spawn(move || run(scheduler, messages, done))
            .expect("the system can start a thread");
        ComputeThread { queue, limits }
    }

    /// Queues work. It is lost if the thread is gone, which ends the process anyway.
    pub fn send(&self, work: Work) {
        let _ = self.queue.send(Message::Work(work));
    }

    /// Drops a job's work; nothing is said of it any more.
    pub fn cancel(&self, job: JobId) {
        let _ = self.queue.send(Message::Cancel(job));
    }

    /// Whether a sequence of so many tokens can ever be computed here.
    pub fn fits(&self, package: &Package, tokens: u64) -> Result<(), MemoryError> {
        self.limits.fits(package, tokens)
    }
}

/// Until nobody is left who could give work.
fn run(mut scheduler: Scheduler, messages: Receiver<Message>, mut done: impl FnMut(Done)) {
    loop {
        let idle = scheduler.is_idle();
        let next = match idle {
            true => messages.recv().map_err(|_| TryRecvError::Disconnected),
            false => messages.try_recv(),
        };
        match next {
            Ok(Message::Work(work)) => scheduler.add(work),
            Ok(Message::Cancel(job)) => scheduler.cancel(&job),
            Err(TryRecvError::Empty) => scheduler.step().into_iter().for_each(&mut done),
            Err(TryRecvError::Disconnected) => return,
        }
    }
}
