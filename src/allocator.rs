//! What glibc's allocator is told. It reads that before `main`, from the environment: mallopt(3).

use std::{env, os::unix::process::CommandExt, process::Command};
use vouchd::session::OWN_VARIABLES;

/// By default it has a heap for each of many threads, and after the first buffer of 400 KiB it puts
/// all of them into these heaps, where what is freed stays with the process. After 50 downloads at
/// once that was 24 MB; with these it is 8 MB.
const SETTINGS: [(&str, &str); 2] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_MMAP_THRESHOLD_", "65536"),
];

/// Becomes the same program once more, with the settings that its environment lacks. Where that
/// cannot be, it goes on without them.
pub(crate) fn settle() {
    // It is tried once: from a program that may do more than its caller, the system takes such
    // settings away.
    if cfg!(not(target_env = "gnu")) || env::var_os(OWN_VARIABLES).is_some() {
        return;
    }
    let mut arguments = env::args_os();
    if let (Ok(program), Some(name)) = (env::current_exe(), arguments.next()) {
        let mut again = Command::new(program);
        told(&mut again).arg0(name).args(arguments);
        // It returns only if it fails.
        let _ = again.exec();
    }
}

/// The same for another process that is started. What the owner has set stays.
pub(crate) fn told(command: &mut Command) -> &mut Command {
    if env::var_os(OWN_VARIABLES).is_some() {
        return command;
    }
    let is_lacking = |(name, _): &(&str, &str)| env::var_os(name).is_none();
    let lacking: Vec<_> = SETTINGS.into_iter().filter(is_lacking).collect();
    let names: Vec<_> = lacking.iter().map(|(name, _)| *name).collect();
    command.env(OWN_VARIABLES, names.join(" ")).envs(lacking)
}
