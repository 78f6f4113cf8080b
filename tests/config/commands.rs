//! `vouchd config check`, `show` and `schema`.

use super::*;
use std::process::{Command, Output};

fn config(folder: &Folder, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vouchd"))
        .arg("config")
        .args(arguments)
        .env_clear()
        .env("HOME", folder.path(""))
        .envs(environment.iter().copied())
        .current_dir(folder.path(""))
        .output()
        .unwrap()
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_owned()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn check_says_ok_or_all_that_is_wrong() {
    let folder = Folder::new();
    let check = |text: &str, code: i32, expected: &[&str]| {
        folder.write("c.toml", text.as_bytes());
        let output = config(&folder, &["check", "c.toml"], &[]);
        let (ended, out, err) = said(&output);
        assert_eq!(ended, Some(code), "{text}: {out}{err}");
        for expected in expected {
            assert!(
                [&out, &err].iter().any(|said| said.contains(expected)),
                "{out}{err}"
            );
        }
        assert_eq!(code == 0, err.is_empty(), "{err}");
    };
    check("", 0, &["ok: c.toml"]);
    check("[limits]\ntoken = 1024\n", 0, &["ok: "]);
    check(
        "[registry.\"h:1\"]\nplain_http = true\n[limits]\ntoken = 0\n",
        1,
        &[
            "c.toml:2:1: ",
            "help: Did you mean `plain-http`?",
            "c.toml:4:9: ",
        ],
    );
    check(
        "[registry.h]\nca = 'absent.pem'\n",
        1,
        &["c.toml:2: ", "absent.pem"],
    );
    folder.write("text", b"no certificate");
    check(
        "[registry.h]\nca = 'text'\n",
        1,
        &["holds no PEM certificates"],
    );
    let both = "[registry.h]\nclient-cert = 'text'\nclient-key = 'text'\n";
    check(both, 1, &["the config's client certificate"]);
    check(
        "[log]\nlevel = 'loud'\n",
        1,
        &["c.toml:2: ", "\"loud\" is not a level"],
    );

    let (code, out, _) = said(&config(&folder, &["check"], &[]));
    assert_eq!(
        (code, out.as_str()),
        (
            Some(0),
            "ok: there is no config file, and the defaults hold\n"
        )
    );
    let (code, ..) = said(&config(&folder, &["check", "absent.toml"], &[]));
    assert_eq!(code, Some(1));
}

#[test]
fn show_says_what_holds_and_who_says_so() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path(".config/vouchd")).unwrap();
    let text = "socket = '/from/file'\n[log]\nlevel = 'warn'\n[registry.h]\nca = '~/ca.pem'\n";
    folder.write(".config/vouchd/config.toml", text.as_bytes());
    let environment = [("VOUCHD_SOCKET", "/from/environment")];
    let output = config(&folder, &["show", "--log", "debug"], &environment);
    let (code, out, err) = said(&output);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let line = |key: &str, value: &str, origin: &str| {
        let found = out.lines().find(|line| line.starts_with(key)).unwrap();
        let (setting, remark) = found.split_once("  # ").unwrap();
        assert_eq!(setting.trim(), format!("{key} = {value}"));
        assert_eq!(remark, origin);
    };
    line("socket", "\"/from/environment\"", "$VOUCHD_SOCKET");
    line("level", "\"debug\"", "--log");
    line("format", "\"text\"", "default");
    line("token", "262144", "default");
    let ca = format!("{:?}", folder.path("ca.pem"));
    line("ca", &ca, "line 5");

    // It is a config that says the same.
    folder.write("shown.toml", out.as_bytes());
    let (code, out, err) = said(&config(&folder, &["check", "shown.toml"], &[]));
    assert_eq!(code, Some(1), "{out}");
    assert!(err.contains("ca.pem") && err.lines().count() == 2, "{err}");

    let (_, out, _) = said(&config(&folder, &["show", "--json"], &environment));
    let json: Value = serde_json::from_str(&out).unwrap();
    let all = json["settings"].as_array().unwrap();
    let of = |key: &str| all.iter().find(|setting| setting["key"] == key).unwrap();
    assert_eq!(of("socket")["origin"]["name"], "VOUCHD_SOCKET");
    assert_eq!(of("log.level")["origin"]["line"], 3);
    assert_eq!(of("limits.entries")["origin"]["from"], "default");
}

#[test]
fn the_schema_is_printed() {
    let folder = Folder::new();
    let (code, out, _) = said(&config(&folder, &["schema"], &[]));
    assert_eq!(code, Some(0));
    let schema: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(schema["additionalProperties"], false);
}
