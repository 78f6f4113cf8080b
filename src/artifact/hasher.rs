//! Hashes what a feed hands over: at once as long as there is little, then on a thread of its own,
//! so that looking at bytes and hashing them take their time together.

use super::{
    BLOCK,
    buffers::{CHUNK, Piece},
};
use crate::name::Digest;
use ring::digest::{Context, SHA256};
use std::{
    collections::BTreeMap,
    io,
    sync::mpsc::{SyncSender, sync_channel},
    thread::{Builder, JoinHandle},
};

/// Steps that wait for the thread.
const STEPS: usize = 8;

/// A place in the bytes, by a number of the caller's.
pub(super) type Mark = u8;

enum Step {
    Bytes(Piece),
    Mark(Mark),
    Cut(Mark),
    Finish,
}

/// What a hasher found.
pub(super) struct Digests {
    /// All bytes since the last [`Hasher::finish_one`], or since the start.
    pub(super) whole: Digest,
    /// For each mark that was cut at: all bytes but those between the two.
    pub(super) cut: BTreeMap<Mark, Digest>,
    /// The prefix at the end of every block, and the whole: see [`super::BLOCK`].
    pub(super) blocks: Vec<Digest>,
    /// One for each [`Hasher::finish_one`].
    pub(super) finished: Vec<Digest>,
}

/// See the module's documentation.
pub(super) struct Hasher(Work);

enum Work {
    Here(Box<State>),
    Aside(SyncSender<Step>, JoinHandle<State>),
    /// The thread could not be started.
    Lost,
}

impl Hasher {
    /// `blocks` tells whether it keeps the digest at every block.
    pub(super) fn new(blocks: bool) -> Self {
        Self(Work::Here(Box::new(State::new(blocks))))
    }

    /// Remembers the state, in place of the one that had this mark.
    pub(super) fn mark(&mut self, mark: Mark) -> io::Result<()> {
        self.step(Step::Mark(mark))
    }

    /// Makes a digest that leaves out what was hashed since the mark.
    pub(super) fn cut(&mut self, mark: Mark) -> io::Result<()> {
        self.step(Step::Cut(mark))
    }

    pub(super) fn update(&mut self, piece: Piece) -> io::Result<()> {
        self.step(Step::Bytes(piece))
    }

    /// Ends one digest and starts the next.
    pub(super) fn finish_one(&mut self) -> io::Result<()> {
        self.step(Step::Finish)
    }

    fn step(&mut self, step: Step) -> io::Result<()> {
        match &mut self.0 {
            Work::Here(state) => {
                state.apply(step);
                if state.hashed >= CHUNK as u64 {
                    self.move_aside()?;
                }
                Ok(())
            }
            Work::Aside(steps, _) => steps.send(step).map_err(|_| ended()),
            Work::Lost => Err(ended()),
        }
    }

    /// The thread ends when the steps do, also where nobody waits for what it found.
    fn move_aside(&mut self) -> io::Result<()> {
        if let Work::Here(mut state) = std::mem::replace(&mut self.0, Work::Lost) {
            let (steps, receiver) = sync_channel(STEPS);
            let hash = move || {
                for step in receiver {
                    state.apply(step);
                }
                *state
            };
            let thread = Builder::new().name("vouchd-hash".into()).spawn(hash)?;
            self.0 = Work::Aside(steps, thread);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<Digests> {
        match self.0 {
            Work::Here(state) => Ok(state.finish()),
            Work::Aside(steps, thread) => {
                drop(steps);
                thread.join().map(State::finish).map_err(|_| ended())
            }
            Work::Lost => Err(ended()),
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("the hashing thread ended")
}

struct State {
    /// Bytes in all.
    hashed: u64,
    whole: Context,
    marks: BTreeMap<Mark, Context>,
    cut: BTreeMap<Mark, Context>,
    keeps_blocks: bool,
    /// Bytes since the last block.
    in_block: usize,
    blocks: Vec<Digest>,
    finished: Vec<Digest>,
}

impl State {
    fn new(keeps_blocks: bool) -> Self {
        Self {
            hashed: 0,
            whole: Context::new(&SHA256),
            marks: BTreeMap::new(),
            cut: BTreeMap::new(),
            keeps_blocks,
            in_block: 0,
            blocks: Vec::new(),
            finished: Vec::new(),
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Bytes((chunk, range)) => {
                let mut bytes = &chunk[range];
                self.hashed += bytes.len() as u64;
                for cut in self.cut.values_mut() {
                    cut.update(bytes);
                }
                while self.keeps_blocks && self.in_block + bytes.len() >= BLOCK {
                    let (block, rest) = bytes.split_at(BLOCK - self.in_block);
                    self.whole.update(block);
                    self.blocks
                        .push(Digest::finish(&self.whole.clone().finish()));
                    self.in_block = 0;
                    bytes = rest;
                }
                self.whole.update(bytes);
                self.in_block += bytes.len();
            }
            Step::Mark(mark) => {
                self.marks.insert(mark, self.whole.clone());
            }
            Step::Cut(mark) => {
                if let Some(state) = self.marks.remove(&mark) {
                    self.cut.insert(mark, state);
                }
            }
            Step::Finish => {
                let ended = std::mem::replace(&mut self.whole, Context::new(&SHA256));
                self.finished.push(Digest::finish(&ended.finish()));
            }
        }
    }

    fn finish(self) -> Digests {
        let whole = Digest::finish(&self.whole.finish());
        let mut blocks = self.blocks;
        if self.keeps_blocks && self.in_block > 0 {
            blocks.push(whole);
        }
        let cut = self.cut.into_iter();
        Digests {
            whole,
            cut: cut
                .map(|(mark, state)| (mark, Digest::finish(&state.finish())))
                .collect(),
            blocks,
            finished: self.finished,
        }
    }
}
