//! Where messages end, however their bytes arrive.

use super::*;
use proptest::prelude::*;
use tokio::io::{AsyncWriteExt, repeat};
use tokio_util::io::StreamReader;
use vouch_testing::seeds::seed;

/// What comes out, one word each, however the bytes arrive.
async fn words(framing: Framing, input: &[u8], piece: usize) -> Vec<String> {
    words_within(&Room::default(), framing, input, piece).await
}

async fn words_within(room: &Room, framing: Framing, input: &[u8], piece: usize) -> Vec<String> {
    let first = if framing == Framing::Lines {
        b"L"
    } else {
        b"H"
    };
    seed("framing", [first, input].concat());
    let pieces = input.chunks(piece).map(io::Result::Ok);
    let stream = StreamReader::new(futures_util::stream::iter(pieces));
    let mut input = Input::new(stream, room);
    let mut words = Vec::new();
    loop {
        match input.next(framing).await.unwrap() {
            Read::Message(message, _) => {
                words.push(String::from_utf8_lossy(&message).into_owned());
            }
            Read::TooLong(rest) => {
                words.push("too long".into());
                if !input.skip(rest, |_| ()).await.unwrap() {
                    return words;
                }
            }
            Read::Lost(error) => {
                words.push(format!("lost {}", error.kind()));
                return words;
            }
            Read::End => return words,
        }
    }
}

async fn check(framing: Framing, input: &[u8], expected: &[&str], why: &str) {
    for piece in [1, 3, 4096] {
        assert_eq!(words(framing, input, piece).await, expected, "{why}");
    }
}

#[tokio::test]
async fn lines() {
    let lines = Framing::Lines;
    check(lines, b"", &[], "nothing").await;
    check(lines, b"{}\n[]\n", &["{}", "[]"], "two").await;
    check(
        lines,
        b"{}\r\n\n \t\n{}",
        &["{}\r", "{}"],
        "blank lines, no last line break",
    )
    .await;
    let long = [vec![b'x'; LONGEST_REQUEST + 1], b"\n{}\n".to_vec()].concat();
    check(lines, &long, &["too long", "{}"], "too long, then one more").await;
    let long = vec![b'x'; LONGEST_REQUEST + 1];
    check(lines, &long, &["too long"], "too long, and cut").await;
    let most = vec![b'x'; LONGEST_REQUEST];
    let text = String::from_utf8(most.clone()).unwrap();
    check(lines, &most, &[&text], "as long as can be").await;
}

#[tokio::test]
async fn no_http_request_passes_as_lines() {
    for line in ["POST / HTTP/1.1", " GET /a:b HTTP/1.0\r", "{ / HTTP/2.0"] {
        let input = format!("\r\n{line}\nOrigin: null\n\n{{}}\n");
        let found = words(Framing::Lines, input.as_bytes(), 4096).await;
        assert_eq!(found, ["lost parseError"], "{line}");
    }
    let json = r#"{"a": "b HTTP/1.1"}"#;
    check(
        Framing::Lines,
        json.as_bytes(),
        &[json],
        "a message about one",
    )
    .await;
}

#[tokio::test]
async fn headers() {
    let content_length = Framing::ContentLength;
    let check = |input: &'static [u8], expected: &'static [&'static str], why: &'static str| {
        check(content_length, input, expected, why)
    };
    check(b"", &[], "nothing").await;
    check(
        b"Content-Length: 2\r\n\r\n{}content-length:2\n\n[]",
        &["{}", "[]"],
        "names without case, lines without carriage return",
    )
    .await;
    check(
        b"Content-Type: text; charset=utf-8\r\nContent-Length: 4\r\n\r\n{\n\n}",
        &["{\n\n}"],
        "other headers, line breaks in the body",
    )
    .await;
    check(b"Content-Length: 0\r\n\r\n", &[""], "an empty body").await;
    let parse = &["lost parseError"];
    check(b"Content-Length: 3\r\n\r\n{}", parse, "cut in the body").await;
    check(b"Content-Length: 3\r\n", parse, "cut in the headers").await;
    check(b"Content-Type: x\r\n\r\n", parse, "no length").await;
    check(b"Content-Length: -1\r\n\r\n", parse, "negative").await;
    check(b"Content-Length: +1\r\n\r\n{", parse, "a sign").await;
    check(b"Content-Length: \r\n\r\n{", parse, "no number").await;
    check(
        b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        parse,
        "two lengths",
    )
    .await;
    check(
        b"Content-Length: 99999999999999999999\r\n\r\n",
        parse,
        "no u64",
    )
    .await;
    check(b"Connect\r\n\r\n", parse, "not a header").await;
    check(
        b"COPY /a:b HTTP/1.1\r\nOrigin: http://evil.example\r\nContent-Length: 2\r\n\r\n{}",
        parse,
        "a request line with a colon in it",
    )
    .await;
    check(
        b"CONNECT vouchd:80 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        parse,
        "another",
    )
    .await;
    for header in [
        "Host: vouchd",
        "origin: null",
        "Content-Length : 2",
        " a: b",
        ": x",
    ] {
        let input = format!("Content-Length: 2\r\n{header}\r\n\r\n{{}}");
        let found = words(content_length, input.as_bytes(), 4096).await;
        assert_eq!(found, parse, "{header}");
    }
    check(
        b"Content-Length: 99999999999\r\n\r\n",
        &["too long"],
        "too long, and cut",
    )
    .await;
}

#[tokio::test]
async fn long_headers_and_bodies() {
    let input = [b"Content-Length: 1".to_vec(), vec![b'0'; 2000]].concat();
    check(
        Framing::ContentLength,
        &input,
        &["lost parseError"],
        "a long header",
    )
    .await;
    let input = b"C: d\r\n".repeat(20);
    check(
        Framing::ContentLength,
        &input,
        &["lost parseError"],
        "many headers",
    )
    .await;
    let input = [
        b"Content-Length: 1048577\r\n\r\n".to_vec(),
        vec![b'x'; LONGEST_REQUEST + 1],
        b"Content-Length: 2\r\n\r\n{}".to_vec(),
    ]
    .concat();
    let expected = &["too long", "{}"];
    check(Framing::ContentLength, &input, expected, "skipped").await;
}

#[tokio::test]
async fn where_there_is_no_room_only_long_messages_are_lost() {
    let room = Room::of(100 << 10, Duration::from_secs(60));
    let line = format!("{{}}\n{}\n{{}}", "x".repeat(100 << 10));
    let body = format!(
        "Content-Length: 2\r\n\r\n{{}}Content-Length: 102400\r\n\r\n{}",
        "x".repeat(100 << 10)
    );
    for (framing, input) in [(Framing::Lines, line), (Framing::ContentLength, body)] {
        for piece in [100, 4096] {
            let words = words_within(&room, framing, input.as_bytes(), piece).await;
            assert_eq!(words, ["{}", "lost busy"]);
        }
    }
    let fits = "x".repeat(60 << 10);
    let input = format!("{fits}\n{fits}\n{fits}");
    let words = words_within(&room, Framing::Lines, input.as_bytes(), 4096).await;
    assert_eq!(words, [&*fits; 3], "room is given back");
}

#[test]
fn messages_are_framed() {
    assert_eq!(Framing::Lines.frame("{}".into()), "{}\n");
    let framed = Framing::ContentLength.frame("{}".into());
    assert_eq!(framed, "Content-Length: 2\r\n\r\n{}");
}

#[tokio::test]
async fn the_first_byte_tells() {
    let check = async |bytes: &[u8], expected| {
        let mut input = Input::new(bytes, &Room::default());
        let announced = input.announced().await.unwrap();
        assert_eq!(announced, expected, "{}", bytes.escape_ascii());
    };
    check(b"Content", Some(Announced::Stream(Framing::ContentLength))).await;
    check(b"c", Some(Announced::Stream(Framing::ContentLength))).await;
    check(b"{", Some(Announced::Stream(Framing::Lines))).await;
    check(b"\n [", Some(Announced::Stream(Framing::Lines))).await;
    check(b"P", Some(Announced::Http)).await;
    check(b"g", Some(Announced::Http)).await;
    check(b"1", Some(Announced::Nothing)).await;
    check(b"\x16\x03", Some(Announced::Nothing)).await;
    check(b"", None).await;
}

#[tokio::test]
async fn what_is_too_long_is_skipped_only_so_far() {
    let check = async |framing, head: &[u8], more: usize, ended: bool| {
        let filled = repeat(b'x').take(more as u64);
        let rest = &b"\nContent-Length: 2\r\n\r\n{}\n"[..];
        let stream = head.chain(filled).chain(rest);
        let mut input = Input::new(stream, &Room::default());
        let Read::TooLong(rest) = input.next(framing).await.unwrap() else {
            panic!("it is too long");
        };
        assert_eq!(
            input.skip(rest, |_| ()).await.unwrap(),
            ended,
            "{framing:?} {more}"
        );
    };
    check(Framing::Lines, b"", MOST_SKIPPED, true).await;
    check(Framing::Lines, b"", MOST_SKIPPED + (2 << 20), false).await;
    for (length, ended) in [(MOST_SKIPPED, true), (MOST_SKIPPED + (1 << 20), false)] {
        let head = format!("Content-Length: {length}\r\n\r\n");
        check(Framing::ContentLength, head.as_bytes(), length, ended).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_is_not_waited_for_without_an_end() {
    let (mut client, server) = tokio::io::duplex(2 << 20);
    client
        .write_all(&vec![b'x'; LONGEST_REQUEST + 1])
        .await
        .unwrap();
    let mut input = Input::new(server, &Room::default());
    let Read::TooLong(rest) = input.next(Framing::Lines).await.unwrap() else {
        panic!("it is too long, and its end has not come");
    };
    assert!(!input.skip(rest, |_| ()).await.unwrap());
}

proptest! {
    #[test]
    fn how_bytes_arrive_does_not_matter(
        input in "(Content-Length: [0-9]{1,2}\r?\n|[a-z:{}\\[\\] ]{0,9}\r?\n|\r\n){0,9}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for framing in [Framing::Lines, Framing::ContentLength] {
                let whole = words(framing, input.as_bytes(), 4096).await;
                assert_eq!(words(framing, input.as_bytes(), 1).await, whole);
            }
        });
    }
}
