//! A notebook service: YAML in, JSON out. Listens on 127.0.0.1 at `PORT` (8080 if unset, 0 for any free port).

mod api;
mod document;
mod http;
mod json;
mod note;
mod pool;
mod store;

use std::env;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use api::Api;
use pool::Pool;

const PORT_IF_UNSET: u16 = 8080;
const PAUSE_AFTER_A_FAILED_ACCEPT: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let port = match env::var("PORT") {
        Ok(text) => text.parse().map_err(|_| format!("`PORT` is not a port number: `{text}`"))?,
        Err(_) => PORT_IF_UNSET,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map_err(|cause| format!("could not listen on 127.0.0.1:{port}: {cause}"))?;
    let address = listener.local_addr().map_err(|cause| format!("could not read the address: {cause}"))?;
    let pool = Pool::start(Api::new()).map_err(|cause| format!("could not start the workers: {cause}"))?;

    // Where nobody reads the line any more, the service still runs.
    let _ = writeln!(io::stdout(), "notebook listens on {address}");
    loop {
        match listener.accept() {
            Ok((stream, _)) => pool.take(stream),
            Err(cause) => {
                eprintln!("could not accept a connection: {cause}");
                thread::sleep(PAUSE_AFTER_A_FAILED_ACCEPT);
            }
        }
    }
}
