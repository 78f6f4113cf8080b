//! `vouch tags`: asks for page after page of a repository's tags.

use crate::{
    call::{ask, unreadable},
    failure::{Failure, Outcome},
    show::Screen,
    spelling::Spelling,
    subject::Reference,
};
use clap::Args;
use std::io;
use vouch_client::{
    Client,
    protocol::{Tags, TagsParams, TagsResult},
};

/// The most tags of one answer.
const PAGE: u16 = 1000;
/// No repository has so many pages: a registry that sends more makes them up.
const PAGES: usize = 100;

#[derive(Debug, Args)]
pub(crate) struct TagsArguments {
    /// `registry/repository`, or `oci:FOLDER` for an image layout
    #[arg(value_parser = Reference::read)]
    pub(crate) repository: Reference,
    /// List at most this many; without it, all
    #[arg(
        short = 'n',
        long,
        value_name = "TAGS",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) limit: Option<u32>,
    /// Begin after this tag
    #[arg(long, value_name = "TAG")]
    pub(crate) last: Option<String>,
}

pub(crate) async fn tags(
    client: &Client,
    arguments: TagsArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let repository = arguments.repository;
    let spelling = Spelling::reference(&repository.typed, &repository.told);
    let (mut last, mut left) = (arguments.last, arguments.limit);
    for _ in 0..PAGES {
        let limit = left.map_or(PAGE, |left| u16::try_from(left).unwrap_or(PAGE).min(PAGE));
        let params = TagsParams {
            repository: repository.told.clone(),
            limit: Some(limit),
            last,
        };
        let answer = match ask::<Tags>(client, params).await {
            Ok(answer) => answer,
            Err(failure) => return screen.failure(&failure.spelt(&spelling)),
        };
        let page: TagsResult = match serde_json::from_value(answer.clone()) {
            Ok(page) => page,
            Err(error) => return screen.failure(&unreadable(&error)),
        };
        if screen.is_json() {
            screen.json(&answer)?;
        } else {
            for tag in &page.tags {
                screen.text(tag)?;
            }
        }
        left = left.map(|left| left.saturating_sub(u32::try_from(page.tags.len()).unwrap_or(left)));
        last = page.tags.last().cloned();
        if !page.more || last.is_none() {
            return Ok(Outcome::Success);
        }
        if left == Some(0) {
            let last = last.unwrap_or_default();
            let typed = &repository.typed;
            screen.notice(&format!(
                "there are more: `vouch tags {typed} --last {last}`"
            ))?;
            return Ok(Outcome::Success);
        }
    }
    let failure = Failure::new(format!(
        "{} has more than {} tags",
        repository.typed,
        PAGES * usize::from(PAGE)
    ));
    screen.failure(&failure.help("List them in parts, with `-n` and `--last`."))
}
