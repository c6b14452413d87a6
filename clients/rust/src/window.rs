//! The window: observations above the durable mark, which may have to be sent again.

use std::collections::VecDeque;

use bytes::Bytes;

/// Entries by number, with running totals of their bytes.
///
/// Numbers are contiguous from `first`. With the totals, how much lies between
/// two numbers, and how far a number of bytes reaches, need no walk.
#[derive(Debug)]
pub(crate) struct Window {
    first: u64,
    base: u64, // bytes dropped so far
    entries: VecDeque<Bytes>,
    totals: VecDeque<u64>, // totals[i]: bytes ever pushed, through entry i
}

impl Window {
    pub(crate) fn new() -> Self {
        Self {
            first: 1,
            base: 0,
            entries: VecDeque::new(),
            totals: VecDeque::new(),
        }
    }

    /// The lowest number held, or to be held.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Begins at a number; the window has to be empty.
    pub(crate) fn begin_at(&mut self, first: u64) {
        debug_assert!(self.entries.is_empty());
        self.first = first;
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number that the next observation gets.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Bytes dropped so far: what lies below the window.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> u64 {
        self.totals.back().map_or(0, |total| total - self.base)
    }

    pub(crate) fn push(&mut self, entry: Bytes) {
        let before = self.totals.back().copied().unwrap_or(self.base);
        self.totals.push_back(before + entry.len() as u64);
        self.entries.push_back(entry);
    }

    /// Bytes ever pushed through a number; of one below the window, those dropped.
    pub(crate) fn through(&self, seq: u64) -> u64 {
        if seq < self.first || self.totals.is_empty() {
            return self.base;
        }
        let at = usize::try_from(seq - self.first).unwrap_or(usize::MAX);
        self.totals[at.min(self.totals.len() - 1)]
    }

    /// The last number of start..=limit through which no more than `total`
    /// bytes were ever pushed; start − 1 when there is none.
    pub(crate) fn reach(&self, start: u64, limit: u64, total: u64) -> u64 {
        let last = limit.min(self.next() - 1);
        let within = self.first + self.totals.partition_point(|t| *t <= total) as u64 - 1;
        within.clamp(start - 1, last.max(start - 1))
    }

    /// The entries of start..=stop.
    pub(crate) fn slice(&self, start: u64, stop: u64) -> Vec<Bytes> {
        let skip = usize::try_from(start - self.first).unwrap_or(usize::MAX);
        let take = usize::try_from(stop + 1 - start).unwrap_or(0);
        self.entries.iter().skip(skip).take(take).cloned().collect()
    }

    /// Forgets everything through a number.
    pub(crate) fn drop_through(&mut self, through: u64) {
        while self.first <= through {
            let Some(total) = self.totals.pop_front() else {
                return;
            };
            self.entries.pop_front();
            self.base = total;
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, by walking.
    fn reach_by_walking(sizes: &[u64], first: u64, start: u64, limit: u64, total: u64) -> u64 {
        let mut sum = 0;
        let mut out = start - 1;
        for (i, size) in sizes.iter().enumerate() {
            let seq = i as u64 + 1;
            sum += size;
            if seq >= first.max(start) && seq <= limit && sum <= total {
                out = seq;
            }
        }
        out
    }

    proptest! {
        #[test]
        fn sums_and_reaches_are_those_of_a_walk(
            sizes in proptest::collection::vec(1u64..50, 1..60),
            dropped in 0u64..60, start in 1u64..60, more in 0u64..60, total in 0u64..2000,
        ) {
            let mut w = Window::new();
            for size in &sizes {
                w.push(Bytes::from(vec![7; usize::try_from(*size).unwrap()]));
            }
            w.drop_through(dropped);
            let n = sizes.len() as u64;
            prop_assert_eq!(w.first(), dropped.min(n) + 1);
            prop_assert_eq!(w.next(), n + 1);
            prop_assert_eq!(w.size(), sizes.iter().skip(usize::try_from(dropped).unwrap()).sum::<u64>());
            let start = start.clamp(w.first(), w.next());
            let limit = start + more;
            prop_assert_eq!(
                w.reach(start, limit, total),
                reach_by_walking(&sizes, w.first(), start, limit, total)
            );
            for seq in w.first()..w.next() {
                let sum: u64 = sizes[..usize::try_from(seq).unwrap()].iter().sum();
                prop_assert_eq!(w.through(seq), sum);
            }
        }
    }
}
