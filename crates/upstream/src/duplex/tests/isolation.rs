//! Whose child is whose, and what it knows.

use super::*;

#[tokio::test]
async fn two_principals_never_share_a_child() {
    let connections = Fixture::new("legacy").open();
    let alice = call(&connections, &user("alice"), "who", json!({})).await.unwrap();
    let bob = call(&connections, &user("bob"), "who", json!({})).await.unwrap();
    let again = call(&connections, &user("alice"), "who", json!({})).await.unwrap();
    assert_ne!(alice, bob);
    assert_eq!(alice, again);
    connections.shutdown().await;
}

#[tokio::test]
async fn upkeep_of_the_gateway_has_a_child_of_its_own() {
    let mut fixture = Fixture::new("legacy");
    fixture.stdio.instances_max = 1;
    let connections = fixture.open();
    call(&connections, &user("alice"), "echo", json!({})).await.unwrap();
    // It comes on top of the bound, and it saw no call.
    let list = Upkeep::List { kind: Kind::Tool, cursor: Some("next".to_owned()) };
    let response = upkeep(&connections, None, list).await.unwrap();
    assert_eq!(said(&response), json!({ "tools": [], "cursor": "next" }));
    let heard = call(&connections, &user("alice"), "heard", json!({})).await.unwrap();
    assert!(!heard.as_array().unwrap().contains(&json!("tools/list")));
    connections.shutdown().await;
}

#[tokio::test]
async fn shared_child_serves_everyone_once_written_out() {
    let mut fixture = Fixture::new("legacy");
    fixture.stdio.isolation = Isolation::Shared;
    let connections = fixture.open();
    let alice = call(&connections, &user("alice"), "who", json!({})).await.unwrap();
    let bob = call(&connections, &user("bob"), "who", json!({})).await.unwrap();
    assert_eq!(alice, bob);
    connections.shutdown().await;
}

#[tokio::test]
async fn sessions_of_one_principal_have_children_of_their_own() {
    let mut fixture = Fixture::new("legacy");
    fixture.stdio.isolation = Isolation::Session;
    let connections = fixture.open();
    let in_session = |number| Caller { session: Some(SessionKey(number)), ..user("alice") };
    let first = call(&connections, &in_session(1), "who", json!({})).await.unwrap();
    let second = call(&connections, &in_session(2), "who", json!({})).await.unwrap();
    let without = call(&connections, &user("alice"), "who", json!({})).await.unwrap();
    assert!(first != second && first != without && second != without);

    connections.end_session(SessionKey(1));
    let fresh = call(&connections, &in_session(1), "who", json!({})).await.unwrap();
    assert_ne!(first, fresh);
    assert_eq!(second, call(&connections, &in_session(2), "who", json!({})).await.unwrap());
    connections.shutdown().await;
}

#[tokio::test]
async fn concurrent_first_calls_open_one_child() {
    let connections = Fixture::new("legacy").open();
    let alice = user("alice");
    let who = || call(&connections, &alice, "who", json!({}));
    let (first, second, third) = tokio::join!(who(), who(), who());
    assert_eq!(first.unwrap(), second.unwrap());
    let third = third.unwrap();
    assert_eq!(third, who().await.unwrap());
    connections.shutdown().await;
}

#[tokio::test]
async fn child_sees_nothing_of_the_gateways_environment() {
    // What Cargo sets for every test, and whatever else there is.
    let own: Vec<_> = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    assert!(own.iter().any(|name| name.starts_with("CARGO")));
    let mut fixture = Fixture::new("legacy");
    fixture.stdio.env.insert("API_KEY".to_owned(), secret("from the config"));
    let connections = fixture.open();
    let environment = call(&connections, &user("alice"), "environment", json!({})).await.unwrap();
    let environment = environment.as_object().unwrap();
    assert_eq!(environment["API_KEY"], "from the config");
    assert!(environment.contains_key("PATH"));
    // A launcher script may set some of its own on the way.
    let launcher =
        |name: &str| name.starts_with("PYENV") || ["_", "PWD", "OLDPWD", "SHLVL", "LC_CTYPE"].contains(&name);
    let allowed = |name: &str| ["PATH", "HOME", "LANG", "TMPDIR"].contains(&name) || launcher(name);
    let leaked: Vec<_> =
        own.iter().filter(|name| environment.contains_key(*name) && !allowed(name)).collect();
    assert!(leaked.is_empty(), "{leaked:?}");
    connections.shutdown().await;
}
