//! Edits of the section `[sign]` in the text of a config. Comments and layout stay.

use crate::error::{Error, Result};
use toml_edit::{DocumentMut, Item, value};
use vouch_protocol::ErrorKind;

/// The text of a config in which that key signs.
pub fn keep_key(text: &str, key: &str) -> Result<String> {
    let wrong = |what: String| Error::new(ErrorKind::InvalidParams, what);
    let mut file: DocumentMut = text
        .parse()
        .map_err(|error| wrong(format!("the config is not TOML: {error}")))?;
    let Some(section) = file.get_mut("sign") else {
        // What comes last cannot change what any other line means.
        let before = text.trim_end();
        let space = if before.is_empty() { "" } else { "\n\n" };
        return Ok(format!("{before}{space}[sign]\nkey = {}\n", value(key)));
    };
    let Some(section) = section.as_table_like_mut() else {
        return Err(wrong("`sign` is not a section: write [sign]".into()));
    };
    match section.get_mut("key").and_then(Item::as_value_mut) {
        // Remarks beside it stay.
        Some(kept) => {
            let decor = kept.decor().clone();
            *kept = key.into();
            *kept.decor_mut() = decor;
        }
        None => {
            section.insert("key", value(key));
        }
    }
    Ok(file.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_kept_and_all_else_stays() {
        let check = |text: &str, expected: &str| {
            let edited = keep_key(text, "ssh:ann@laptop").unwrap();
            assert_eq!(edited, expected, "{text:?}");
            assert_eq!(keep_key(&edited, "ssh:ann@laptop").unwrap(), expected);
        };
        let key = r#"key = "ssh:ann@laptop""#;
        check("", &format!("[sign]\n{key}\n"));
        check("# mine\n", &format!("# mine\n\n[sign]\n{key}\n"));
        check(
            "[log]\nlevel = 'info' # all\n",
            &format!("[log]\nlevel = 'info' # all\n\n[sign]\n{key}\n"),
        );
        check(
            "[sign]\n# once\nkey = 'acme' # mine\nfolders = []\n[log]\n",
            &format!("[sign]\n# once\n{key} # mine\nfolders = []\n[log]\n"),
        );
        check(
            "sign.folders = []\n",
            &format!("sign.folders = []\nsign.{key}\n"),
        );
        check("sign = {}\n", &format!("sign = {{ {key} }}\n"));
        assert!(keep_key("sign = 1\n", "acme").is_err());
        assert!(keep_key("[sign\n", "acme").is_err());
        let odd = keep_key("", "ssh:\"\\\n\u{1b}").unwrap();
        let read: toml::Table = toml::from_str(&odd).unwrap();
        assert_eq!(read["sign"]["key"].as_str(), Some("ssh:\"\\\n\u{1b}"));
    }
}
