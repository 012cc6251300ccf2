//! `post`: a question with a body, and the answer in memory. Nothing of it is kept anywhere.

use reqwest::StatusCode;
use reqwest::Url;
use reqwest::header::HeaderMap;

use crate::client::Client;
use crate::error::{Failed, FetchError, Kind};
use crate::get::body;
use crate::request::{Post, address, shown};
use crate::tries::Tries;

impl Client {
    /// Asks until there is an answer, or tries or time run out: only for what does no harm when it is asked twice.
    pub async fn post(&self, post: &Post) -> Result<Vec<u8>, FetchError> {
        let url = address(&post.url)?;
        let headers = post.header_map()?;
        let mut tries = Tries::new(self.settings());
        loop {
            match tries.attempt(self.post_once(post, &url, headers.clone())).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => tries.again(failed).await.map_err(|failed| failed.of(&shown(&post.url)))?,
            }
        }
    }

    async fn post_once(&self, post: &Post, url: &Url, headers: HeaderMap) -> Result<Vec<u8>, Failed> {
        let (mut response, _permit) = self.send_body(url, headers, post.body.clone()).await?;
        match response.status() {
            StatusCode::OK => body(&mut response, post.most_bytes).await,
            status => {
                let what = format!("the server answered {status}, which is no answer to a question");
                Err(Failed::new(Kind::Nonsense, what))
            }
        }
    }
}
