//! Which documents are read, and where each names artifacts. A file's name and its content decide;
//! what an editor says of its language does not.

use super::tree::At;

/// A kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// wadm's `Application` (wasmCloud 1).
    Wadm,
}

impl Format {
    /// A reference without what this kind of document writes before it.
    pub(super) fn without_scheme(self, written: &str) -> &str {
        let schemes: &[&str] = match self {
            Self::Wadm => &["oci://"],
        };
        let mut without = schemes
            .iter()
            .filter_map(|scheme| written.strip_prefix(scheme));
        without.next().unwrap_or(written)
    }
}

/// Where the text of a reference is, and what is known of it beside.
pub(super) struct Named<'a, 't> {
    pub(super) format: Format,
    pub(super) reference: At<'a, 't>,
}

/// A resource of Kubernetes, or what looks like one: a group, its kinds, and how to read them.
struct Resource {
    format: Format,
    /// What `apiVersion` begins with.
    group: &'static str,
    kinds: &'static [&'static str],
    read: for<'a, 't> fn(At<'a, 't>, &mut dyn FnMut(At<'a, 't>)),
}

const RESOURCES: &[Resource] = &[Resource {
    format: Format::Wadm,
    group: "core.oam.dev/",
    kinds: &["Application"],
    read: |document, found| {
        let components = document.path(&["spec", "components"]);
        for component in components.into_iter().flat_map(At::each) {
            component
                .path(&["properties", "image"])
                .into_iter()
                .for_each(&mut *found);
        }
    },
}];

/// Whether a text may hold a resource at all: most YAML does not, and need not be parsed.
pub(super) fn may_be_resource(text: &str) -> bool {
    RESOURCES
        .iter()
        .any(|resource| text.contains(resource.group))
}

/// What a resource names.
pub(super) fn resource<'a, 't>(document: At<'a, 't>, found: &mut dyn FnMut(Named<'a, 't>)) {
    let (Some(version), Some(kind)) = (document.text_of("apiVersion"), document.text_of("kind"))
    else {
        return;
    };
    let rows = RESOURCES.iter();
    for row in rows.filter(|row| version.starts_with(row.group) && row.kinds.contains(&kind)) {
        (row.read)(document, &mut |reference| {
            found(Named {
                format: row.format,
                reference,
            });
        });
    }
}
