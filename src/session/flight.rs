//! One run of a task for all who want its outcome at that moment.

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};

type Run<T> = BoxFuture<'static, T>;

/// The run that is under way, if there is one. It goes on for as long as somebody waits for it: a
/// request that is given up does not fail the others.
pub(crate) struct Flight<T>(Option<WeakShared<Run<T>>>);

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> std::fmt::Debug for Flight<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Flight")
    }
}

impl<T: Clone> Flight<T> {
    /// Whether anybody waits for the outcome.
    pub(crate) fn is_under_way(&self) -> bool {
        let run = self.0.as_ref().and_then(WeakShared::upgrade);
        run.is_some_and(|run| run.peek().is_none())
    }

    /// The run that is under way, begun if need be. One that has ended says nothing to those who
    /// come later.
    pub(crate) fn join<R>(&mut self, begin: impl FnOnce() -> R) -> Shared<Run<T>>
    where
        R: Future<Output = T> + Send + 'static,
    {
        let under_way = self.0.as_ref().and_then(WeakShared::upgrade);
        if let Some(run) = under_way.filter(|run| run.peek().is_none()) {
            return run;
        }
        let run = begin().boxed().shared();
        self.0 = run.downgrade();
        run
    }
}
