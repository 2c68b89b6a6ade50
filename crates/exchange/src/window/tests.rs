//! The window against a model that forgets nothing: what it gives is exactly what the model has, or nothing.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Push { stream: u32, bytes: usize },
    End { stream: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let push = (0..4_u32, 1..40_usize).prop_map(|(stream, bytes)| Step::Push { stream, bytes });
    let end = (1..4_u32).prop_map(|stream| Step::End { stream });
    proptest::collection::vec(prop_oneof![8 => push, 1 => end], 0..80)
}

proptest! {
    #[test]
    fn what_is_resumed_has_no_gap_and_no_event_twice(steps in steps(), most in 1..200_usize, total in 1..300_usize) {
        let budget = Budget::new(most, total);
        let mut window = Window::new(budget.clone());
        let mut model: HashMap<u32, Vec<Bytes>> = HashMap::new();
        let mut ended = Vec::new();
        for step in steps {
            match step {
                Step::Push { stream, .. } | Step::End { stream } if ended.contains(&stream) => {}
                Step::Push { stream, bytes } => {
                    let text = Bytes::from(vec![b'x'; bytes]);
                    let all = model.entry(stream).or_default();
                    let number = all.len() as u64 + 1;
                    window.push(stream, |given| {
                        assert_eq!(given, number);
                        vec![text.clone()]
                    });
                    all.push(text);
                }
                Step::End { stream } => {
                    window.end(stream);
                    ended.push(stream);
                }
            }
            prop_assert!(window.bytes <= most.min(total));
            prop_assert_eq!(window.bytes, budget.0.used.load(Ordering::Relaxed));
            for (stream, all) in &model {
                for after in 0..=all.len() as u64 + 1 {
                    if let Some(events) = window.after(*stream, after) {
                        let expected: Vec<Pieces> =
                            all[usize::try_from(after).unwrap()..].iter().map(|text| vec![text.clone()]).collect();
                        prop_assert_eq!(events, expected);
                    }
                }
                prop_assert!(window.after(*stream, all.len() as u64 + 1).is_none(), "a number that never was");
                if !ended.contains(stream) {
                    prop_assert!(window.after(*stream, all.len() as u64).is_some(), "nothing is missing after the last");
                }
            }
        }
        drop(window);
        prop_assert_eq!(budget.0.used.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn the_newest_events_are_kept() {
    let mut window = Window::new(Budget::new(30, 1000));
    for _ in 0..10 {
        window.push(1, |_| vec![Bytes::from_static(b"0123456789")]);
    }
    assert_eq!(window.after(1, 7).map(|events| events.len()), Some(3));
    assert_eq!(window.after(1, 6), None);
    window.push(2, |_| vec![Bytes::from_static(b"0123456789")]);
    assert_eq!(window.after(1, 7), None, "the oldest of all streams goes first");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ended_is_kept_for_a_while() {
    let mut window = Window::new(Budget::new(30, 1000));
    window.push(1, |_| vec![Bytes::from_static(b"answer")]);
    window.end(1);
    window.expire();
    assert!(window.after(1, 0).is_some());
    tokio::time::advance(KEPT).await;
    window.expire();
    assert_eq!(window.after(1, 0), None);
}
