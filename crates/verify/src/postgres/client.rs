//! Speaks to a PostgreSQL server by the simple query protocol (frontend/backend protocol 3.0), and keeps no more of its answers
//! than the limits say: what a migration selects may be endless.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const PROTOCOL: i32 = 3 << 16;
/// Bytes of one message that are kept.
const MAX_KEPT_BYTES: usize = 1024 * 1024;
/// Bytes of all rows of one answer.
const MAX_ROWS_BYTES: usize = 64 * 1024 * 1024;
const MAX_TAGS: usize = 10_000;
const MAX_FIELDS: usize = 64;

/// One session.
#[derive(Debug)]
pub(crate) struct Client<S> {
    stream: S,
    pub(crate) status: Status,
}

/// Where the session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Idle,
    InTransaction,
    /// In a transaction that can only be rolled back.
    Failed,
}

/// What the server said to one query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Vec<String>>,
    /// What each statement did, as in `DELETE 3`.
    pub(crate) tags: Vec<String>,
    pub(crate) refused: Option<Refusal>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The SQLSTATE.
    pub(crate) code: String,
    pub(crate) message: String,
}

/// What a query needs besides its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want<'a> {
    /// The rows of the answer.
    Rows,
    /// Nothing but how it ended; a `COPY … FROM stdin` reads this.
    Ending(&'a str),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Begins a session as `postgres` in the database of that name.
    pub(crate) async fn start(stream: S) -> io::Result<Result<Self, Refusal>> {
        let mut client = Self { stream, status: Status::Idle };
        let mut body = PROTOCOL.to_be_bytes().to_vec();
        body.extend(b"user\0postgres\0database\0postgres\0client_encoding\0UTF8\0\0");
        client.send(None, &body).await?;
        let answer = client.answer(Want::Ending("")).await?;
        Ok(match answer.refused {
            Some(refusal) => Err(refusal),
            None => Ok(client),
        })
    }

    /// Runs the text, which may hold several statements. A refusal is an answer.
    pub(crate) async fn query(&mut self, text: &str, want: Want<'_>) -> io::Result<Answer> {
        if text.contains('\0') {
            return Err(io::Error::other("the statement holds a NUL character"));
        }
        self.send(Some(b'Q'), &[text.as_bytes(), b"\0"].concat()).await?;
        self.answer(want).await
    }

    async fn send(&mut self, kind: Option<u8>, body: &[u8]) -> io::Result<()> {
        let length =
            i32::try_from(body.len() + 4).map_err(|_| io::Error::other("the statement is too long"))?;
        self.stream.write_all(&kind.into_iter().chain(length.to_be_bytes()).collect::<Vec<_>>()).await?;
        self.stream.write_all(body).await?;
        self.stream.flush().await
    }

    /// Reads until the server is ready for the next query, or has ended the session with a refusal.
    async fn answer(&mut self, want: Want<'_>) -> io::Result<Answer> {
        let mut answer = Answer::default();
        let mut room = MAX_ROWS_BYTES;
        loop {
            let kind = match self.stream.read_u8().await {
                // It refuses a session and is gone.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && answer.refused.is_some() => {
                    return Ok(answer);
                }
                kind => kind?,
            };
            let length =
                usize::try_from(self.stream.read_i32().await?).ok().and_then(|length| length.checked_sub(4));
            let length = length.ok_or_else(|| io::Error::other("the server sent a message of no length"))?;
            let is_kept = match kind {
                b'D' => want == Want::Rows,
                b'C' | b'E' | b'Z' | b'R' => true,
                _ => false,
            };
            let body = self.body(length, if is_kept { MAX_KEPT_BYTES } else { 0 }).await?;
            match kind {
                b'Z' => {
                    self.status = match body.first() {
                        Some(b'I') => Status::Idle,
                        Some(b'T') => Status::InTransaction,
                        _ => Status::Failed,
                    };
                    return Ok(answer);
                }
                b'D' if is_kept => {
                    room = room
                        .checked_sub(body.len())
                        .ok_or_else(|| io::Error::other("the answer is too long"))?;
                    answer.rows.push(row(&body));
                }
                b'C' if answer.tags.len() < MAX_TAGS => answer.tags.push(until_nul(&body).0),
                b'E' => answer.refused = Some(refusal(&body)),
                b'R' if body.get(..4) != Some(&[0; 4]) => {
                    return Err(io::Error::other("the server asks for a password"));
                }
                b'G' => self.copy_in(want).await?,
                _ => {}
            }
        }
    }

    async fn copy_in(&mut self, want: Want<'_>) -> io::Result<()> {
        match want {
            Want::Ending(data) if !data.is_empty() => {
                for part in data.as_bytes().chunks(64 * 1024) {
                    self.send(Some(b'd'), part).await?;
                }
                self.send(Some(b'c'), b"").await
            }
            Want::Ending(_) | Want::Rows => self.send(Some(b'f'), b"no data follows the COPY\0").await,
        }
    }

    /// The first bytes of a message; the rest is read and forgotten.
    async fn body(&mut self, length: usize, most: usize) -> io::Result<Vec<u8>> {
        let mut body = vec![0; length.min(most)];
        self.stream.read_exact(&mut body).await?;
        let mut left = length - body.len();
        let mut forgotten = [0; 4096];
        while left > 0 {
            let part = left.min(forgotten.len());
            self.stream.read_exact(&mut forgotten[..part]).await?;
            left -= part;
        }
        Ok(body)
    }
}

/// The fields of a row as text; one that is null, or was cut, is empty.
fn row(body: &[u8]) -> Vec<String> {
    let Some((count, mut rest)) = body.split_first_chunk::<2>() else { return Vec::new() };
    let count = usize::from(u16::from_be_bytes(*count)).min(MAX_FIELDS);
    let mut fields = Vec::with_capacity(count);
    for _ in 0..count {
        let Some((length, after)) = rest.split_first_chunk::<4>() else { break };
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0).min(after.len());
        let (field, after) = after.split_at(length);
        fields.push(String::from_utf8_lossy(field).into_owned());
        rest = after;
    }
    fields
}

/// The fields of an error: a letter and a text each.
fn refusal(body: &[u8]) -> Refusal {
    let mut refusal = Refusal::default();
    let mut rest = body;
    while let Some((letter, after)) = rest.split_first() {
        let (text, after) = until_nul(after);
        match letter {
            b'C' => refusal.code = text,
            b'M' => refusal.message = text,
            _ => {}
        }
        rest = after;
    }
    refusal
}

fn until_nul(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), bytes.get(end + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{Client, Refusal, Status, Want};

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = i32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    /// What a session makes of these bytes of a server, which then hangs up.
    fn answered(bytes: &[u8], want: Want<'_>) -> std::io::Result<super::Answer> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (reads, writes) = (bytes, Vec::new());
            let mut client = Client { stream: tokio::io::join(reads, writes), status: Status::Idle };
            client.query("SELECT 1", want).await
        })
    }

    #[test]
    fn rows_tags_and_refusals_are_read_up_to_the_end_of_the_answer() {
        let row = [&2_i16.to_be_bytes()[..], &3_i32.to_be_bytes(), b"one", &(-1_i32).to_be_bytes()].concat();
        let refused = b"SERROR\0C25001\0Mnot here\0\0";
        let bytes =
            [message(b'D', &row), message(b'C', b"SELECT 1\0"), message(b'E', refused), message(b'Z', b"E")]
                .concat();
        let answer = answered(&bytes, Want::Rows).unwrap();
        assert_eq!(answer.rows, [["one".to_owned(), String::new()]]);
        assert_eq!(answer.tags, ["SELECT 1"]);
        assert_eq!(
            answer.refused,
            Some(Refusal { code: "25001".to_owned(), message: "not here".to_owned() })
        );
        assert!(answered(&bytes, Want::Ending("")).unwrap().rows.is_empty());
        assert!(answered(&bytes[..bytes.len() - 6], Want::Rows).is_ok(), "it hung up after a refusal");
        assert!(
            answered(&message(b'R', &[0, 0, 0, 3]), Want::Rows).unwrap_err().to_string().contains("password")
        );
    }

    proptest! {
        #[test]
        fn no_server_makes_it_panic_or_wait_for_ever(
            noise in prop::collection::vec((prop::sample::select(&b"DCEZRGTNx"[..]), prop::collection::vec(any::<u8>(), 0..40)), 0..8),
            rest in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let messages = noise.iter().map(|(kind, body)| message(*kind, body));
            let bytes = messages.chain([rest]).collect::<Vec<_>>().concat();
            let _ = answered(&bytes, Want::Rows);
            let _ = answered(&bytes, Want::Ending("data"));
        }
    }
}
