//! Core modules and components: a walk over their sections, a dozen bytes each, that finds the
//! token (rows 1 to 3 of the rule). Nothing of a section's content is read but a custom section's
//! name, what nests, and what the outermost level imports.
//!
//! Binary formats: WebAssembly core specification, section 5.5.2; component model, `Binary.md`.

use super::{
    Limits,
    description::{Description, LONGEST_NAME, LONGEST_SECTION},
    feed::Feed,
    hasher::Mark,
    imports::{self, Imports, Reading},
    refusal::{Refusal, Stop, malformed},
    rule::Row,
};
use std::io::{BufRead, Read};
use vouch_protocol::{ArtifactKind, ErrorKind};

/// What every wasm file starts with.
pub(super) const MAGIC: &[u8] = b"\0asm";
const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";
/// wascap before 0.9 wrote `jwt`.
pub(super) const TOKEN_SECTIONS: [&[u8]; 2] = [b"wasmcloud_jwt", b"jwt"];
/// Section id, size, length of the name and the name of a token's section need no more.
const LONGEST_START: usize = 1 + 5 + 5 + 13;

/// Bytes before the first section.
pub(super) const HEADER: u64 = 8;

pub(super) const CUSTOM: u8 = 0;
const CORE_MODULE: u8 = 1;
const NESTED_COMPONENT: u8 = 4;

/// What the header says that the file is.
pub(super) fn recognise(start: &[u8]) -> Option<ArtifactKind> {
    match start.first_chunk() {
        Some(&MODULE) => Some(ArtifactKind::Module),
        Some(&COMPONENT) => Some(ArtifactKind::Component),
        _ => None,
    }
}

/// Where the token's section is cut out.
pub(super) const TOKEN: Mark = 0;

/// Walks over all sections and returns the one token, if there is one, and what is imported; the
/// feed's hasher leaves the token's section out. Who gives a place for it is told what the artifact
/// says of itself, once all sections were passed.
pub(super) fn read<R: Read>(
    feed: &mut Feed<R>,
    kind: ArtifactKind,
    limits: &Limits,
    description: Option<&mut Option<Description>>,
) -> Result<(Option<Vec<u8>>, Imports), Stop> {
    let mut describing = description.is_some().then(|| Description::of(kind));
    let mut imports = Reading::default();
    let mut tokens = 0_u64;
    let mut nested_token = false;
    let mut long_lengths = false;
    let mut first = None;
    // Where the modules and components end that are open, innermost last.
    let mut open: Vec<(u64, ArtifactKind)> = Vec::new();
    feed.skip(HEADER)?;
    loop {
        while open.last().is_some_and(|(end, _)| *end == feed.consumed()) {
            open.pop();
        }
        let (end, encoding) = open.last().copied().unwrap_or((u64::MAX, kind));
        let top = open.is_empty();
        if top && feed.at_end()? {
            break;
        }
        // One token's place is all that is needed: what comes after it is only counted.
        if top && first.is_none() && may_start_token(feed.fill_buf()?) {
            feed.mark(TOKEN)?;
        }
        let id = feed.byte()?;
        let before = feed.consumed();
        let size = u64::from(number(feed)?);
        let is_long = feed.consumed() - before > shortest(size);
        let section_end = feed.consumed() + size;
        if section_end > end {
            return Err(malformed("a section is larger than what it is in"));
        }
        long_lengths |= is_long && id != CUSTOM;
        match (encoding, id) {
            (_, CUSTOM) => {
                let name = name(feed, section_end)?;
                let content = section_end - feed.consumed();
                let is_token = TOKEN_SECTIONS.contains(&name.as_slice());
                long_lengths |= is_long && !is_token;
                if is_token {
                    tokens += 1;
                    nested_token |= !top;
                    if content > limits.token as u64 {
                        let what = format!("has a token larger than {} bytes", limits.token);
                        return Err(Refusal::too_large(what).into());
                    }
                    if top && first.is_none() {
                        let length = usize::try_from(content).unwrap_or(usize::MAX);
                        first = Some(feed.bytes(length)?);
                        feed.cut(TOKEN)?;
                    }
                } else if let Some(describing) = &mut describing
                    && top
                    && describing.wants(&name)
                {
                    let looked_at = usize::try_from(content.min(LONGEST_SECTION)).unwrap_or(0);
                    describing.add_custom(&name, &feed.bytes(looked_at)?, content);
                }
                feed.skip(section_end - feed.consumed())?;
            }
            (ArtifactKind::Component, CORE_MODULE | NESTED_COMPONENT) => {
                if open.len() >= limits.nesting {
                    let what = format!("nests components deeper than {}", limits.nesting);
                    return Err(Refusal::too_large(what).into());
                }
                open.push((section_end, nested(feed, id, size)?));
            }
            (_, id) if top && id == Imports::section(kind) => match listed(feed, size)? {
                Some(section) => imports.add(kind, &section),
                None => imports.give_up("a section of them is larger than 1 MiB"),
            },
            (_, id)
                if top
                    && describing
                        .as_ref()
                        .is_some_and(|it| it.export_section() == id) =>
            {
                let exports = listed(feed, size)?;
                if let Some(describing) = &mut describing {
                    describing.add_exports(exports.as_deref());
                }
            }
            // What a later specification adds could nest or name things that this walk misses.
            (ArtifactKind::Module, 1..=13) | (ArtifactKind::Component, 2..=12) => {
                feed.skip(size)?;
            }
            _ => {
                return Err(malformed(&format!(
                    "it has a section of the unknown kind {id}"
                )));
            }
        }
    }
    let imports = imports.finish();
    if let Some(description) = description {
        *description = describing.map(|describing| describing.complete(&imports, long_lengths));
    }
    if nested_token || tokens > 1 {
        return Err(ambiguous(nested_token, tokens));
    }
    Ok((first, imports))
}

/// Reads a section of imports or exports, unless it is too large.
fn listed<R: Read>(feed: &mut Feed<R>, size: u64) -> Result<Option<Vec<u8>>, Stop> {
    if size > imports::LONGEST {
        return feed.skip(size).map(|()| None);
    }
    let length = usize::try_from(size).unwrap_or(usize::MAX);
    feed.bytes(length).map(Some)
}

/// Reads the header of a module or component inside another one.
fn nested<R: Read>(feed: &mut Feed<R>, id: u8, size: u64) -> Result<ArtifactKind, Stop> {
    if size < 8 {
        return Err(malformed("a nested module is too short"));
    }
    let inner = recognise(&feed.bytes(8)?);
    let expected = if id == CORE_MODULE {
        ArtifactKind::Module
    } else {
        ArtifactKind::Component
    };
    if inner != Some(expected) {
        return Err(malformed("a nested module or component has a wrong header"));
    }
    Ok(expected)
}

fn ambiguous(nested: bool, tokens: u64) -> Stop {
    let what = if nested {
        "has a token in a module or component inside it".into()
    } else {
        format!("carries {tokens} tokens")
    };
    let help = "Remove all tokens, then sign the outermost module or component once: \
                `wasm-tools strip --delete '^(wasmcloud_)?jwt$' {file} -o {file}` removes them.";
    Refusal::new(Row::Token, ErrorKind::AmbiguousToken, what, Some(help)).into()
}

/// Reads a custom section's name; of one that is too long to be looked for, nothing.
fn name<R: Read>(feed: &mut Feed<R>, section_end: u64) -> Result<Vec<u8>, Stop> {
    let length = u64::from(number(feed)?);
    let name_end = feed.consumed() + length;
    if name_end > section_end {
        return Err(malformed(
            "a custom section's name is larger than the section",
        ));
    }
    if length > LONGEST_NAME {
        return Ok(Vec::new());
    }
    feed.bytes(usize::try_from(length).unwrap_or(0))
}

/// Whether a token's section may start here; also where too little is ahead to tell. It keeps
/// modules of many sections from costing a hash state for each.
fn may_start_token(ahead: &[u8]) -> bool {
    if ahead.len() < LONGEST_START {
        return true;
    }
    let Some((&CUSTOM, mut rest)) = ahead.split_first() else {
        return false;
    };
    // The section's size, then the name's length.
    let mut length = 0;
    for _ in 0..2 {
        let Some(last) = rest.iter().take(5).position(|byte| byte & 0x80 == 0) else {
            return false;
        };
        let (number, after) = rest.split_at(last + 1);
        length = number
            .iter()
            .rev()
            .fold(0, |value: u64, byte| value << 7 | u64::from(byte & 0x7f));
        rest = after;
    }
    TOKEN_SECTIONS
        .iter()
        .any(|name| length == name.len() as u64 && rest.starts_with(name))
}

/// A token's section, its lengths in their shortest form.
pub(super) fn token_section(token: &[u8]) -> Vec<u8> {
    let [name, _] = TOKEN_SECTIONS;
    let mut content = leb(name.len());
    content.extend_from_slice(name);
    content.extend_from_slice(token);
    let mut section = vec![CUSTOM];
    section.extend(leb(content.len()));
    section.extend(content);
    section
}

/// The shortest unsigned LEB128 of a number.
fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = value.to_le_bytes()[0];
        value >>= 7;
        if value == 0 {
            bytes.push(byte & 0x7f);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// How many bytes a number needs.
fn shortest(value: u64) -> u64 {
    u64::from((64 - value.leading_zeros()).div_ceil(7).max(1))
}

/// An unsigned LEB128 of 32 bits: at most five bytes, the last with no bits beyond them.
fn number<R: Read>(feed: &mut Feed<R>) -> Result<u32, Stop> {
    let mut value = 0_u32;
    for shift in [0, 7, 14, 21, 28] {
        let byte = feed.byte()?;
        let bits = u32::from(byte & 0x7f);
        if shift == 28 && byte > 0x0f {
            break;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(malformed("a number is longer than 32 bits"))
}
