//! Reading a body within its bounds of bytes and time; what is not wanted is thrown away, bounded too.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Body;

use super::intake::Room;
use crate::http::{Problem, Refused};

/// How much of a refused body is still read. A client that is cut off while it sends sees a reset
/// connection instead of the answer.
const DISCARD_BYTES: usize = 64 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Reads the whole body: 413 beyond `limit` bytes, 408 beyond `timeout`, 400 when it is cut off, 503
/// where `room` has none for it.
pub(crate) async fn read<B>(
    body: B,
    headers: &HeaderMap,
    limit: usize,
    timeout: Duration,
    room: &mut Room,
) -> Result<Bytes, Refused>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let stated = stated(headers);
    if stated.is_some_and(|stated| stated > limit) {
        discard(body);
        return Err(too_large(limit));
    }
    if let Err(refused) = room.hold(stated.unwrap_or(0)) {
        discard(body);
        return Err(refused);
    }
    let mut body = body;
    let read = {
        let mut collecting = pin!(collect(&mut body, stated, limit, room));
        // Most bodies are there when their head is: a timer is set only for those that are not.
        match poll_fn(|cx| Poll::Ready(collecting.as_mut().poll(cx))).await {
            Poll::Ready(read) => Ok(read),
            Poll::Pending => tokio::time::timeout(timeout, collecting).await,
        }
    };
    match read {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(refused)) => {
            discard(body);
            Err(refused)
        }
        Err(_) => Err(timeout_passed()),
    }
}

/// The length of the body, where it is said beforehand.
pub(crate) fn stated(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok())
}

/// 408 for a body that did not come in time.
pub(crate) fn timeout_passed() -> Refused {
    let detail = "the body did not come in time; see server.body_timeout_ms";
    Problem::new(StatusCode::REQUEST_TIMEOUT, detail).closing()
}

/// Reads on in the background so that the answer can reach a client that is still sending.
pub(crate) fn discard<B>(mut body: B)
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(tokio::time::timeout(DISCARD_TIME, async move {
        let mut left = DISCARD_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    }));
}

async fn collect<B>(
    body: &mut B,
    stated: Option<usize>,
    limit: usize,
    room: &mut Room,
) -> Result<Bytes, Refused>
where
    B: Body<Data = Bytes> + Unpin,
{
    let Some(first) = next(body).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(too_large(limit));
    }
    // Most bodies come in one piece, which then is not copied.
    if body.is_end_stream() || stated == Some(first.len()) {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(stated.unwrap_or(first.len() * 2));
    whole.extend_from_slice(&first);
    while let Some(piece) = next(body).await? {
        if whole.len() + piece.len() > limit {
            return Err(too_large(limit));
        }
        room.grow(whole.len() + piece.len(), limit)?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

async fn next<B>(body: &mut B) -> Result<Option<Bytes>, Refused>
where
    B: Body<Data = Bytes> + Unpin,
{
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body was cut off").closing())?;
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

fn too_large(limit: usize) -> Refused {
    let detail = format!("the body has more than {limit} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

#[cfg(test)]
mod tests {
    use super::super::intake::{FREE_BYTES, Intake};
    use super::*;
    use http_body_util::Full;
    use hyper::body::Frame;

    async fn read<B>(
        body: B,
        headers: &HeaderMap,
        limit: usize,
        timeout: Duration,
    ) -> Result<Bytes, Refused>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        super::read(body, headers, limit, timeout, &mut Intake::default().room(limit)).await
    }

    const SOON: Duration = Duration::from_millis(20);

    fn status(read: Result<Bytes, Refused>) -> Result<Bytes, u16> {
        read.map_err(|refused| refused.status().as_u16())
    }

    fn stating(length: usize) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_LENGTH, length.into())])
    }

    #[tokio::test]
    async fn a_body_at_the_limit_passes_and_one_byte_more_does_not() {
        let body = |n| Full::new(Bytes::from(vec![b'x'; n]));
        assert_eq!(status(read(body(8), &HeaderMap::new(), 8, SOON).await).unwrap().len(), 8);
        assert_eq!(status(read(body(9), &HeaderMap::new(), 8, SOON).await), Err(413));
        assert_eq!(status(read(body(0), &stating(9), 8, SOON).await), Err(413));
        assert_eq!(status(read(body(0), &HeaderMap::new(), 8, SOON).await), Ok(Bytes::new()));
    }

    #[tokio::test]
    async fn pieces_are_joined_and_counted_together() {
        let pieces = |texts: &'static [&'static str]| {
            let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
            for text in texts {
                sender
                    .send(Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(text.as_bytes()))))
                    .unwrap();
            }
            Channel(receiver)
        };
        let whole = read(pieces(&["ab", "", "cd"]), &HeaderMap::new(), 4, SOON).await;
        assert_eq!(status(whole), Ok(Bytes::from_static(b"abcd")));
        let long = read(pieces(&["ab", "cde"]), &HeaderMap::new(), 4, SOON).await;
        assert_eq!(status(long), Err(413));
    }

    #[tokio::test]
    async fn a_silent_or_broken_sender_is_answered() {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        sender.send(Ok(Frame::data(Bytes::from_static(b"a")))).unwrap();
        assert_eq!(status(read(Channel(receiver), &HeaderMap::new(), 4, SOON).await), Err(408));
        drop(sender);
        let broken = Broken(Some(std::io::Error::other("reset")));
        assert_eq!(status(read(broken, &HeaderMap::new(), 4, SOON).await), Err(400));
    }

    #[tokio::test]
    async fn a_body_without_room_is_refused_before_it_is_read() {
        let intake = Intake::default();
        let body = vec![b'x'; FREE_BYTES + 1];
        let length = body.len();
        let mut other = intake.room(length);
        other.hold(length).unwrap();
        let mut room = intake.room(length);
        let full = || Full::new(Bytes::from(body.clone()));
        let refused = super::read(full(), &stating(length), 1 << 20, SOON, &mut room).await;
        assert_eq!(status(refused), Err(503));
        // A body of unknown length is refused when it turns out to be long.
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        for piece in body.chunks(1 << 10) {
            sender.send(Ok(Frame::data(Bytes::copy_from_slice(piece)))).unwrap();
        }
        drop(sender);
        let headers = HeaderMap::new();
        let refused = super::read(Channel(receiver), &headers, 1 << 20, SOON, &mut room).await;
        assert_eq!(status(refused), Err(503));
        drop(other);
        let read = super::read(full(), &stating(length), 1 << 20, SOON, &mut room).await;
        assert_eq!(status(read).unwrap().len(), length);
    }

    type Received = tokio::sync::mpsc::UnboundedReceiver<Result<Frame<Bytes>, std::io::Error>>;
    struct Channel(Received);

    impl Body for Channel {
        type Data = Bytes;
        type Error = std::io::Error;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            self.0.poll_recv(cx)
        }
    }

    struct Broken(Option<std::io::Error>);

    impl Body for Broken {
        type Data = Bytes;
        type Error = std::io::Error;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            std::task::Poll::Ready(self.0.take().map(Err))
        }
    }
}
