//! A fixed number of workers and a bounded queue of connections that wait for one.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::api::Api;
use crate::http::{Connection, Next, Response};

const WORKERS: usize = 64;
const QUEUE: usize = 256;
const STACK_BYTES: usize = 2 * 1024 * 1024;

pub struct Pool {
    queue: Arc<Queue>,
}

impl Pool {
    pub fn start(api: Api) -> io::Result<Pool> {
        // One line for a caught panic, however the environment asks for backtraces.
        panic::set_hook(Box::new(|info| eprintln!("{info}")));
        let api = Arc::new(api);
        let queue = Arc::new(Queue::default());
        for number in 0..WORKERS {
            let (api, queue) = (api.clone(), queue.clone());
            thread::Builder::new().name(format!("worker-{number}")).stack_size(STACK_BYTES).spawn(
                move || {
                    loop {
                        serve(queue.next(), &api, &queue);
                    }
                },
            )?;
        }
        Ok(Pool { queue })
    }

    /// Queues the connection, or answers 503 when the queue is full.
    pub fn take(&self, stream: TcpStream) {
        if let Err(stream) = self.queue.put(stream)
            && let Ok(mut connection) = Connection::new(stream)
        {
            let _ = connection.write(&Response::error(503, "too many connections wait"), false, true);
        }
    }
}

/// Answers the requests of one connection until either side ends it.
fn serve(stream: TcpStream, api: &Api, queue: &Queue) {
    let Ok(mut connection) = Connection::new(stream) else { return };
    loop {
        let request = match connection.next(|| queue.is_crowded()) {
            Next::Request(request) => request,
            Next::Refused(response) => {
                if connection.write(&response, false, true).is_ok() {
                    connection.linger();
                }
                return;
            }
            Next::Gone => return,
        };
        let response = panic::catch_unwind(AssertUnwindSafe(|| api.answer(&request)))
            .unwrap_or_else(|_| Response::error(500, "the service failed to answer"));
        let without_body = request.method == "HEAD";
        // A kept connection holds its worker, so none is kept while others wait.
        let keep = request.keep_alive && !queue.is_crowded();
        if connection.write(&response, keep, !without_body).is_err() || !keep {
            return;
        }
    }
}

#[derive(Default)]
struct Queue {
    line: Mutex<Line>,
    ready: Condvar,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<TcpStream>,
    free_workers: usize,
}

impl Queue {
    fn put(&self, stream: TcpStream) -> Result<(), TcpStream> {
        let mut line = self.lock();
        if line.waiting.len() >= QUEUE {
            return Err(stream);
        }
        line.waiting.push_back(stream);
        self.ready.notify_one();
        Ok(())
    }

    fn next(&self) -> TcpStream {
        let mut line = self.lock();
        loop {
            if let Some(stream) = line.waiting.pop_front() {
                return stream;
            }
            line.free_workers += 1;
            line = self.ready.wait(line).unwrap_or_else(PoisonError::into_inner);
            line.free_workers -= 1;
        }
    }

    /// Whether more connections wait than workers are free to take them.
    fn is_crowded(&self) -> bool {
        let line = self.lock();
        line.waiting.len() > line.free_workers
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
