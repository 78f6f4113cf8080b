//! Where messages end, however their bytes arrive.

use super::*;
use crate::transport::room::Room;
use proptest::prelude::*;

/// What comes out, one word each, however the bytes arrive.
async fn words(framing: Framing, input: &[u8], piece: usize) -> Vec<String> {
    words_within(&Room::default(), framing, input, piece).await
}

async fn words_within(room: &Room, framing: Framing, input: &[u8], piece: usize) -> Vec<String> {
    let mut charge = room.charge();
    let mut reader = BufReader::with_capacity(piece, input);
    let mut message = Vec::new();
    let mut words = Vec::new();
    loop {
        match read(framing, &mut reader, &mut message, &mut charge)
            .await
            .unwrap()
        {
            Read::Message => words.push(String::from_utf8_lossy(&message).into_owned()),
            Read::Wrong(error) => words.push(format!("wrong {}", error.kind())),
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
    check(
        lines,
        &long,
        &["wrong invalidRequest", "{}"],
        "too long, then one more",
    )
    .await;
    let long = vec![b'x'; LONGEST_REQUEST + 1];
    check(lines, &long, &["wrong invalidRequest"], "too long, and cut").await;
    let most = vec![b'x'; LONGEST_REQUEST];
    let text = String::from_utf8(most.clone()).unwrap();
    check(lines, &most, &[&text], "as long as can be").await;
}

#[tokio::test]
async fn headers() {
    let check = |input: &'static [u8], expected: &'static [&'static str], why: &'static str| {
        check(Framing::ContentLength, input, expected, why)
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
    check(b"Connect\r\n\r\n", parse, "no header").await;
    check(
        b"Content-Length: 99999999999\r\n\r\n",
        &["lost invalidRequest"],
        "too long to be skipped",
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
    let expected = &["wrong invalidRequest", "{}"];
    check(Framing::ContentLength, &input, expected, "skipped").await;
}

#[tokio::test]
async fn where_there_is_no_room_only_long_messages_are_lost() {
    let room = Room::of(100 << 10, std::time::Duration::from_secs(60));
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

#[test]
fn the_first_byte_tells() {
    let check = |first: u8, expected| assert_eq!(Announced::by(first), expected, "{first}");
    check(b'C', Announced::Stream(Framing::ContentLength));
    check(b'c', Announced::Stream(Framing::ContentLength));
    check(b'{', Announced::Stream(Framing::Lines));
    check(b'[', Announced::Stream(Framing::Lines));
    check(b'\n', Announced::Stream(Framing::Lines));
    check(b'P', Announced::Http);
    check(b'g', Announced::Http);
    check(b'1', Announced::Nothing);
    check(0x16, Announced::Nothing);
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
