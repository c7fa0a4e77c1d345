//! Frames survive the wire in pieces of any size; noise is refused and never panics.

use proptest::prelude::*;

use super::*;

fn read(pieces: impl IntoIterator<Item = Vec<u8>>) -> Result<Vec<Frame>, Violation> {
    let mut reader = Reader::new();
    let mut frames = Vec::new();
    for piece in pieces {
        reader.push(&piece);
        while let Some(frame) = reader.next_frame()? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let stream = 1_u32..0x7fff_ffff;
    let headers = prop::collection::btree_map("[a-z]{1,9}", "[ -~]{0,40}", 0..5);
    let bytes = prop::collection::vec(any::<u8>(), 0..100).prop_map(Bytes::from);
    prop_oneof![
        (stream.clone(), headers, any::<bool>()).prop_map(|(stream, headers, end)| Frame::Open {
            stream,
            headers,
            end
        }),
        stream.clone().prop_map(|stream| Frame::Reply { stream }),
        (stream.clone(), bytes, any::<bool>()).prop_map(|(stream, bytes, end)| Frame::Data {
            stream,
            bytes,
            end
        }),
        (stream, any::<u32>()).prop_map(|(stream, status)| Frame::Reset { stream, status }),
        any::<u32>().prop_map(Frame::Ping),
        Just(Frame::GoAway),
    ]
}

proptest! {
    #[test]
    fn frames_survive_the_wire(frames in prop::collection::vec(any_frame(), 0..8), size in 1_usize..50) {
        let mut writer = Writer::new();
        let bytes: Vec<u8> = frames.iter().flat_map(|frame| writer.encode(frame).to_vec()).collect();
        prop_assert_eq!(read(bytes.chunks(size).map(<[u8]>::to_vec)), Ok(frames));
    }

    #[test]
    fn noise_never_panics(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..10)) {
        let _ = read(pieces);
    }

    #[test]
    fn spoilt_frames_never_panic(
        frames in prop::collection::vec(any_frame(), 1..6),
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut writer = Writer::new();
        let mut bytes: Vec<u8> = frames.iter().flat_map(|frame| writer.encode(frame).to_vec()).collect();
        for (index, byte) in spoilt {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read([bytes]);
    }

    #[test]
    fn noise_in_control_frames_never_panics(kind in 0_u16..12, flags in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = read([framed(control(kind), flags, &body).to_vec()]);
    }
}

#[test]
fn frames_that_only_tune_the_connection_are_skipped() {
    let mut bytes = framed(control(4), 0, &[0; 12]).to_vec();
    bytes.extend(framed(control(9), 0, &[0; 8]));
    bytes.extend(Writer::new().encode(&Frame::Ping(7)));
    assert_eq!(read([bytes]), Ok(vec![Frame::Ping(7)]));
}

#[test]
fn what_is_not_spdy_is_refused() {
    assert_eq!(read([framed(0x8002_0006, 0, &[0; 4]).to_vec()]), Err(Violation("another version of SPDY")));
    assert_eq!(read([vec![0, 0, 0, 1, 0, 0xff, 0xff, 0xff]]), Err(Violation("a frame is too long")));
    assert_eq!(
        read([framed(control(3), 0, &[0; 7]).to_vec()]),
        Err(Violation("a control frame is too short"))
    );
}
