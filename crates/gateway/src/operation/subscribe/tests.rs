use super::*;

#[test]
fn what_a_server_says_of_a_refused_subscription_asks_nobody_anything() {
    for (code, expected) in [(-32042, 1502), (-32020, 1502), (-32022, 1502), (-32021, 1502), (-32603, -32603)]
    {
        let data = json!({ "elicitations": [{ "mode": "url", "url": "javascript:alert(1)" }] });
        let error = ErrorObject { code, message: "no\nnever".repeat(1000), data: Some(data) };
        let told = refused_by_server(error);
        assert_eq!((told.code, told.data.is_none()), (expected, true), "{code}");
        assert!(told.message.len() <= MESSAGE_MAX && !told.message.contains('\n'), "{code}");
    }
}
