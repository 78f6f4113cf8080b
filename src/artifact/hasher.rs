//! Hashes on the side: a thread that is handed chunks, so that looking at bytes and hashing them
//! take their time together.

use super::{BLOCK, feed::Chunk};
use crate::name::Digest;
use ring::digest::{Context, SHA256};
use std::{
    io,
    ops::Range,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{Builder, Scope, ScopedJoinHandle},
};

/// So many steps wait for the thread.
const STEPS: usize = 8;

enum Step {
    Bytes(Arc<Chunk>, Range<usize>),
    Mark,
    Cut,
    Finish,
}

/// What a hasher found.
pub(super) struct Digests {
    /// All bytes since the last [`Hasher::finish_one`], or since the start.
    pub(super) whole: Digest,
    /// All bytes but those that were cut out.
    pub(super) cut: Option<Digest>,
    /// The prefix of every MiB, and the whole: see `Verified::blocks`.
    pub(super) blocks: Vec<Digest>,
    /// One for each [`Hasher::finish_one`].
    pub(super) finished: Vec<Digest>,
}

/// A thread that hashes what it is sent.
pub(super) struct Hasher<'scope> {
    steps: SyncSender<Step>,
    thread: ScopedJoinHandle<'scope, Digests>,
}

impl<'scope> Hasher<'scope> {
    /// Starts the thread; `blocks` tells whether it keeps the state of every MiB.
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        blocks: bool,
    ) -> io::Result<Self> {
        let (steps, receiver) = sync_channel(STEPS);
        let thread = Builder::new()
            .name("vouchd-hash".into())
            .spawn_scoped(scope, move || hash(&receiver, blocks))?;
        Ok(Self { steps, thread })
    }

    /// Remembers the state.
    pub(super) fn mark(&self) -> io::Result<()> {
        self.step(Step::Mark)
    }

    /// Leaves out what was hashed since the mark.
    pub(super) fn cut(&self) -> io::Result<()> {
        self.step(Step::Cut)
    }

    fn step(&self, step: Step) -> io::Result<()> {
        self.steps
            .send(step)
            .map_err(|_| io::Error::other("the hashing thread ended"))
    }

    pub(super) fn update(&self, (chunk, range): (Arc<Chunk>, Range<usize>)) -> io::Result<()> {
        self.step(Step::Bytes(chunk, range))
    }

    /// Ends one digest and starts the next.
    pub(super) fn finish_one(&self) -> io::Result<()> {
        self.step(Step::Finish)
    }

    pub(super) fn finish(self) -> io::Result<Digests> {
        drop(self.steps);
        self.thread
            .join()
            .map_err(|_| io::Error::other("the hashing thread panicked"))
    }
}

fn hash(steps: &Receiver<Step>, keep: bool) -> Digests {
    let mut whole = Context::new(&SHA256);
    let mut hashed = 0;
    let mut blocks = Vec::new();
    let mut finished = Vec::new();
    let mut mark = None;
    let mut cut: Option<Context> = None;
    for step in steps {
        match step {
            Step::Bytes(chunk, range) => {
                let mut bytes = &chunk[range];
                if let Some(cut) = &mut cut {
                    cut.update(bytes);
                }
                while keep && hashed + bytes.len() >= BLOCK {
                    let (block, rest) = bytes.split_at(BLOCK - hashed);
                    whole.update(block);
                    blocks.push(Digest::finish(&whole.clone().finish()));
                    hashed = 0;
                    bytes = rest;
                }
                whole.update(bytes);
                hashed += bytes.len();
            }
            Step::Mark => mark = Some(whole.clone()),
            Step::Cut => cut = mark.take(),
            Step::Finish => {
                let ended = std::mem::replace(&mut whole, Context::new(&SHA256));
                finished.push(Digest::finish(&ended.finish()));
            }
        }
    }
    let whole = Digest::finish(&whole.finish());
    if keep && hashed > 0 {
        blocks.push(whole);
    }
    Digests {
        whole,
        cut: cut.map(|cut| Digest::finish(&cut.finish())),
        blocks,
        finished,
    }
}
