use std::collections::{BTreeMap, HashMap};

use identity::Principal;
use mcp::{Body, Message};
use proptest::prelude::*;

use super::*;
use crate::budget::{Budget, ResumeBounds};
use upstream::QuestionKind as Kind;

fn session(max: usize) -> Arc<Session> {
    let inbox = upstream::InboxBounds { notices: 1, bytes: 64 };
    let bounds = ResumeBounds { per_session: 64, per_principal: 64, total: 64 };
    let whose = Principal::anonymous().key();
    Arc::new(Session::new(whose, max, Budget::new(bounds).shelf(whose), inbox))
}

fn response(id: &str, value: u64) -> Response {
    let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"value":{value}}}}}"#);
    match Body::from_client(text.into(), 8) {
        Ok(Body::Single(Message::Response(response))) => response,
        other => panic!("{other:?}"),
    }
}

fn value(given: &Given) -> u64 {
    match given {
        Given::Result(result) => result.to_value()["value"].as_u64().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn id_of(inquiry: &Inquiry) -> u64 {
    let asking = Asking { handle: 0, kind: Kind::Roots, params: Raw::value(&serde_json::json!({})) };
    inquiry.request(&asking).into_raw().to_value()["id"].as_u64().unwrap()
}

#[derive(Clone, Debug)]
enum Act {
    Ask { call: usize },
    Answer { which: usize },
    Again { which: usize },
    Unasked { id: u64 },
    Drop { which: usize },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (0..4_usize).prop_map(|call| Act::Ask { call }),
        3 => any::<usize>().prop_map(|which| Act::Answer { which }),
        1 => any::<usize>().prop_map(|which| Act::Again { which }),
        1 => any::<u64>().prop_map(|id| Act::Unasked { id: id | (1 << 40) }),
        1 => any::<usize>().prop_map(|which| Act::Drop { which }),
    ];
    proptest::collection::vec(act, 0..60)
}

proptest! {
    /// Whatever is asked, answered, answered twice, answered unasked or given up, in any order: every answer reaches the
    /// call whose question it answers, once, and no other.
    #[test]
    fn every_answer_reaches_its_own_call_once(acts in acts()) {
        let session = session(1000);
        let mut calls: Vec<_> = (0..4).map(|_| mpsc::channel(1000)).collect();
        let mut open: BTreeMap<u64, (usize, u64, Inquiry)> = BTreeMap::new();
        let mut closed = Vec::new();
        let mut expected: HashMap<usize, Vec<(u64, u64)>> = HashMap::new();
        let mut handle = 0;
        for act in acts {
            match act {
                Act::Ask { call } => {
                    handle += 1;
                    let inquiry = session.ask(handle, calls[call].0.clone()).unwrap();
                    let id = id_of(&inquiry);
                    prop_assert!(!open.contains_key(&id) && !closed.contains(&id), "an id was used twice");
                    open.insert(id, (call, handle, inquiry));
                }
                Act::Answer { which } if !open.is_empty() => {
                    let id = *open.keys().nth(which % open.len()).unwrap();
                    let (call, handle, _inquiry) = open.remove(&id).unwrap();
                    prop_assert!(session.answered(&response(&id.to_string(), handle)));
                    expected.entry(call).or_default().push((handle, handle));
                    closed.push(id);
                }
                Act::Again { which } if !closed.is_empty() => {
                    prop_assert!(!session.answered(&response(&closed[which % closed.len()].to_string(), 0)));
                }
                Act::Unasked { id } => prop_assert!(!session.answered(&response(&id.to_string(), 0))),
                Act::Drop { which } if !open.is_empty() => {
                    let id = *open.keys().nth(which % open.len()).unwrap();
                    open.remove(&id);
                    closed.push(id);
                }
                _ => {}
            }
        }
        for (call, (_, receiver)) in calls.iter_mut().enumerate() {
            let mut got = Vec::new();
            while let Ok((handle, given)) = receiver.try_recv() {
                got.push((handle, value(&given)));
            }
            prop_assert_eq!(got, expected.remove(&call).unwrap_or_default());
        }
    }
}

#[test]
fn text_is_not_the_number_it_spells() {
    let session = session(2);
    let (heard, mut answers) = mpsc::channel(4);
    let inquiry = session.ask(1, heard).unwrap();
    let id = id_of(&inquiry);
    assert!(!session.answered(&response(&format!("\"{id}\""), 1)));
    assert!(answers.try_recv().is_err());
    assert!(session.answered(&response(&format!("{id}.0"), 1)));
    assert!(answers.try_recv().is_ok());
}

#[test]
fn open_questions_are_bounded_and_end_when_nobody_waits() {
    let session = session(2);
    let (heard, _answers) = mpsc::channel(4);
    let first = session.ask(1, heard.clone()).unwrap();
    let _second = session.ask(2, heard.clone()).unwrap();
    assert!(session.ask(3, heard.clone()).is_none());
    drop(first);
    assert!(session.ask(4, heard).is_some());
}
