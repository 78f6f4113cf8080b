//! Sessions under another config: what stays, what moves, and what begins anew.

use super::{
    tokens::{asked, identity, lasting, lock},
    *,
};

fn section(ca: Option<&str>, plain_http: Option<bool>) -> RegistryConfig {
    RegistryConfig {
        ca: ca.map(Into::into),
        plain_http,
        ..RegistryConfig::default()
    }
}

fn login() -> Credential {
    Credential::Password {
        username: "ann".into(),
        password: Secret::new("hunter2"),
    }
}

#[tokio::test]
async fn what_says_the_same_keeps_its_tokens() {
    let check = async |in_memory: bool| {
        let (server, _realm) = lasting(300).start();
        let name = server.name();
        let docker = logins(&[&name]);
        let sessions = sessions((!in_memory).then_some(&docker));
        if in_memory {
            sessions
                .login(&testing::registry(&name), login())
                .await
                .unwrap();
        }
        get(&begin(&sessions, &name).await).await.unwrap();
        let before = asked(&server).len();
        // Another's section, and where else its content is, change nothing.
        let mirrored = RegistryConfig {
            mirrors: vec!["m.example".parse().unwrap()],
            ..RegistryConfig::default()
        };
        let other = (
            testing::registry("other.example"),
            section(Some("/ca"), None),
        );
        let config = Config::from([(testing::registry(&name), mirrored), other]);
        let sessions = sessions.under(config);
        let session = begin(&sessions, &name).await;
        get(&session).await.unwrap();
        assert_eq!(asked(&server).len(), before, "{in_memory}");
    };
    check(true).await;
    check(false).await;
}

#[tokio::test]
async fn what_says_something_else_begins_anew_with_the_same_login() {
    let check = async |in_memory: bool| {
        let (server, _realm) = lasting(300).start();
        let name = server.name();
        let docker = logins(&[&name]);
        let before = sessions((!in_memory).then_some(&docker));
        if in_memory {
            before
                .login(&testing::registry(&name), login())
                .await
                .unwrap();
        }
        let old = begin(&before, &name).await;
        get(&old).await.unwrap();
        let asked_before = asked(&server).len();

        let config = Config::from([(testing::registry(&name), section(None, Some(true)))]);
        let after = before.under(config);
        let new = begin(&after, &name).await;
        assert!(!Arc::ptr_eq(&old, &new), "{in_memory}");
        get(&new).await.unwrap();
        assert!(asked(&server).len() > asked_before, "{in_memory}");
        assert_eq!(after.list().await.len(), 1, "{in_memory}");
        // What began before goes on, and begins what else it needs, as it began.
        get(&old).await.unwrap();
        let still = begin(&before, &name).await;
        assert_eq!(still.section(), old.section(), "{in_memory}");
        let again = begin(&after, &name).await;
        assert_eq!(again.section(), new.section(), "{in_memory}");
        // A logout ends all of them.
        if in_memory {
            assert!(after.logout(&testing::registry(&name)));
            for session in [&old, &again] {
                get(session).await.unwrap_err();
            }
        }
    };
    check(true).await;
    check(false).await;
}

#[tokio::test]
async fn a_refresh_token_that_replaced_a_file_s_is_kept() {
    let realm = lasting(300);
    *lock(&realm.refresh) = "first".into();
    let (server, _realm) = realm.start();
    let name = server.name();
    let docker = identity(&name, "first");
    let before = sessions(Some(&docker));
    get(&begin(&before, &name).await).await.unwrap();
    let config = Config::from([(testing::registry(&name), section(None, Some(true)))]);
    let after = before.under(config);
    // The one in the file is spent: once more would be a reuse.
    get(&begin(&after, &name).await).await.unwrap();
    assert_eq!(asked(&server).len(), 2);
}
