//! Which item answers a URI.

mod support;

use config::Target;
use portcullis_catalogue::{Capture, Route, View};
use support::{gateway, resources, target, templates, view};

fn answered_by(view: &View, uri: &str) -> Option<(String, String)> {
    let route = view.route_uri(uri)?;
    let item = route.item();
    Some((item.target().map_or("gateway", |target| target).to_owned(), item.exposed.to_string()))
}

fn pair(target: &str, exposed: &str) -> Option<(String, String)> {
    Some((target.to_owned(), exposed.to_owned()))
}

#[test]
fn a_listed_uri_goes_before_any_template() {
    let gateway = gateway(vec![target("a"), target("b")]);
    let view = view(&gateway, &[templates(&["file:///{+path}"]), resources(&["file:///x/y"])]);
    assert_eq!(answered_by(&view, "file:///x/y"), pair("b", "file:///x/y"));
    assert!(matches!(view.route_uri("file:///x/y"), Some(Route::Listed(_))));
    assert!(matches!(view.route_uri("file:///x/z"), Some(Route::Template(_))));
}

#[test]
fn the_more_specific_template_goes_first() {
    let gateway = gateway(vec![target("a"), target("b")]);
    let view = view(&gateway, &[templates(&["db://{+rest}"]), templates(&["db://contracts/{id}"])]);
    assert_eq!(answered_by(&view, "db://contracts/7"), pair("b", "db://contracts/{id}"));
    assert_eq!(answered_by(&view, "db://invoices/7"), pair("a", "db://{+rest}"));
}

#[test]
fn of_two_alike_the_lower_priority_goes_first_then_the_first() {
    let gateway = gateway(vec![target("a"), Target { resource_priority: 5, ..target("b") }, target("c")]);
    let captures = [templates(&["db://{a}"]), templates(&["db://{b}"]), templates(&["db://{c}"])];
    assert_eq!(answered_by(&view(&gateway, &captures), "db://x"), pair("b", "db://{b}"));
    let without_b = [templates(&["db://{a}"]), Capture::default(), templates(&["db://{c}"])];
    assert_eq!(answered_by(&view(&gateway, &without_b), "db://x"), pair("a", "db://{a}"));
}

#[test]
fn a_uri_nobody_lists_has_no_route() {
    let gateway = gateway(vec![target("a")]);
    assert_eq!(answered_by(&view(&gateway, &[resources(&["file:///a"])]), "file:///b"), None);
}

#[test]
fn the_gateways_own_scheme_never_reaches_a_server() {
    let gateway = gateway(vec![target("a")]);
    let view = view(&gateway, &[templates(&["{+anything}"])]);
    assert_eq!(answered_by(&view, "portcullis://status"), pair("gateway", "portcullis://status"));
    assert_eq!(answered_by(&view, "portcullis://secrets"), None);
    assert_eq!(answered_by(&view, "PORTCULLIS://status"), None);
    assert_eq!(answered_by(&view, "x"), pair("a", "{+anything}"));
}
