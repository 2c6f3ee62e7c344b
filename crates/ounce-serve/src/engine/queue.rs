//! Jobs that wait for a slot.

use super::job::Job;
use std::collections::VecDeque;

/// First come, first served among clients: each client's jobs wait in line behind one another, and the clients take turns.
#[derive(Default)]
pub(super) struct Queue {
    clients: VecDeque<(u64, VecDeque<Job>)>,
}

impl Queue {
    pub(super) fn push(&mut self, job: Job) {
        match self.clients.iter_mut().find(|(client, _)| *client == job.client) {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.clients.push_back((job.client, VecDeque::from([job]))),
        }
    }

    /// The next job; its client goes to the end of the line.
    pub(super) fn pop(&mut self) -> Option<Job> {
        let (client, mut jobs) = self.clients.pop_front()?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            self.clients.push_back((client, jobs));
        }
        job
    }

    pub(super) fn len(&self) -> usize {
        self.clients.iter().map(|(_, jobs)| jobs.len()).sum()
    }

    /// Drops the jobs that nobody waits for any more, and returns whose they were.
    pub(super) fn drop_departed(&mut self) -> Vec<u64> {
        let mut departed = Vec::new();
        for (client, jobs) in &mut self.clients {
            let before = jobs.len();
            jobs.retain(|job| !job.events.is_closed());
            departed.extend(std::iter::repeat_n(*client, before - jobs.len()));
        }
        self.clients.retain(|(_, jobs)| !jobs.is_empty());
        departed
    }
}

#[cfg(test)]
mod tests {
    use super::super::job::Task;
    use super::*;
    use std::time::Instant;
    use tokio::sync::mpsc::unbounded_channel;

    #[test]
    fn clients_take_turns_and_departed_ones_are_dropped() {
        let mut queue = Queue::default();
        let mut receivers = Vec::new();
        for (client, number) in [(1, 10), (1, 11), (1, 12), (2, 20), (3, 30), (2, 21)] {
            let (events, receiver) = unbounded_channel();
            receivers.push(Some(receiver));
            let prompt = [number].into();
            queue.push(Job {
                model: 0,
                client,
                prompt,
                opening: 0,
                task: Task::Embed,
                events,
                asked: Instant::now(),
            });
        }
        receivers[1] = None;
        receivers[4] = None;
        assert_eq!(queue.drop_departed(), [1, 3]);
        assert_eq!(queue.len(), 4);
        let order: Vec<u32> = std::iter::from_fn(|| queue.pop()).map(|job| job.prompt[0]).collect();
        assert_eq!(order, [10, 20, 12, 21]);
    }
}
