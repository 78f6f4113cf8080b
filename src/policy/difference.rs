//! What changes from one text to another.

/// The most pairs of lines that are compared for what changes.
const PAIRS: usize = 4_000_000;

/// The lines that differ, each after `-` or `+`, in their order.
pub(super) fn difference(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new);
    let head = same.count();
    let (old, new) = (old.split_at(head).1, new.split_at(head).1);
    let same = old.iter().rev().zip(new.iter().rev());
    let tail = same.take_while(|(old, new)| old == new).count();
    let old = old.split_at(old.len() - tail).0;
    let new = new.split_at(new.len() - tail).0;
    let gone = |line: &&str| format!("-{line}");
    let come = |line: &&str| format!("+{line}");
    if old.len() * new.len() > PAIRS {
        return old.iter().map(gone).chain(new.iter().map(come)).collect();
    }
    // The longest common part of what is left behind each pair of lines.
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    let at = |one: usize, other: usize| one * width + other;
    for one in (0..old.len()).rev() {
        for other in (0..new.len()).rev() {
            common[at(one, other)] = if old[one] == new[other] {
                common[at(one + 1, other + 1)] + 1
            } else {
                common[at(one + 1, other)].max(common[at(one, other + 1)])
            };
        }
    }
    let (mut one, mut other) = (0, 0);
    let mut lines = Vec::new();
    while one < old.len() || other < new.len() {
        if one < old.len() && other < new.len() && old[one] == new[other] {
            (one, other) = (one + 1, other + 1);
        } else if other == new.len()
            || (one < old.len() && common[at(one + 1, other)] >= common[at(one, other + 1)])
        {
            lines.push(gone(&old[one]));
            one += 1;
        } else {
            lines.push(come(&new[other]));
            other += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_the_lines_that_change() {
        let check = |old: &str, new: &str, expected: &[&str]| {
            assert_eq!(difference(old, new), expected, "{old:?} {new:?}");
        };
        check("", "", &[]);
        check("a\n", "a\n", &[]);
        check("", "a\nb\n", &["+a", "+b"]);
        check("a\nb\n", "", &["-a", "-b"]);
        check("a\nb\nc\n", "a\nx\nc\n", &["-b", "+x"]);
        check("a\nb\nc\nd\ne\n", "a\nx\nc\nd\n", &["-b", "+x", "-e"]);
        check("a\na\n", "a\na\na\n", &["+a"]);
        check("a\nb\na\n", "a\n", &["-b", "-a"]);
    }
}
