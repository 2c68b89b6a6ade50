use super::reception::Reception;
use super::{Era, Place, Template};

fn place() -> Place {
    Place::new(([127, 0, 0, 1], 80).into(), "/mcp")
}

/// Feeds an answer in pieces of `size` bytes.
fn receive(answer: &[u8], size: usize) -> Reception {
    let mut reception = Reception::new();
    for piece in answer.chunks(size) {
        assert!(!reception.is_complete());
        reception.spare()[..piece.len()].copy_from_slice(piece);
        reception.received(piece.len()).unwrap();
    }
    assert!(reception.is_complete());
    reception
}

#[test]
fn reads_a_body_with_a_length_however_it_is_cut() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nMcp-Session-Id: abc\r\n\r\nhello";
    for size in 1..answer.len() {
        let reception = receive(answer, size);
        let reply = reception.reply().unwrap();
        assert_eq!((reply.status, reply.body), (200, &b"hello"[..]));
        assert_eq!(reception.session(), Some("abc"));
    }
}

#[test]
fn reads_chunks_however_they_are_cut() {
    let answer =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nb\r\n, the world\r\n0\r\n\r\n";
    for size in 1..answer.len() {
        assert_eq!(receive(answer, size).reply().unwrap().body, b"hello, the world");
    }
}

#[test]
fn notices_a_connection_that_ends_early() {
    assert!(Reception::new().received(0).is_err());
}

#[test]
fn each_request_has_an_id_of_its_own_and_is_equal_otherwise() {
    let mut call = Template::call(Era::Modern, &place(), None, "echo", "{}");
    let first = call.next().to_vec();
    let id = call.id().to_vec();
    assert_eq!(id, br#""id":10000001"#);
    let second = call.next().to_vec();
    assert_eq!(call.id(), br#""id":10000002"#);
    let differing = first.iter().zip(&second).filter(|(one, other)| one != other).count();
    assert_eq!((first.len(), differing), (second.len(), 1));
}

#[test]
fn a_result_without_the_id_is_no_result() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{\"id\":7,\"result\":null}";
    let reception = receive(answer, answer.len());
    let reply = reception.reply().unwrap();
    assert!(reply.expect_result(br#""id":7"#).is_ok());
    assert!(reply.expect_result(br#""id":8"#).is_err());
}
