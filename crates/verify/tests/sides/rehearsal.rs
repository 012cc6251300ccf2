//! The way back rehearsed: a small server that keeps a file, and patches after which the old one can't read it.

use std::fs;

use patchline_model::share::Share;
use patchline_model::stage::plan::{BlueGreen, Smoke, Strategy};
use patchline_model::stage::verify::CheckResult::{self, Failed, Passed, Skipped, Warned};
use patchline_model::time::Seconds;

use crate::world::{World, here, run};

/// Keeps a number in a file, refuses to start where it does not know the number, and answers with what it says.
const SERVER: &str = "import http.server, os, sys
kept = os.path.join(os.environ['HOME'], 'kept')
if os.path.exists(kept) and open(kept).read() not in KNOWN: sys.exit('no such format: ' + open(kept).read())
open(kept, 'w').write(FORMAT)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        self.send_response(200 if self.path == '/health' else STATUS)
        self.send_header('Content-Length', '0'); self.end_headers()
        # As many services do, it keeps the connection whatever is asked.
        self.close_connection = False
http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
";

fn server(known: &str, format: &str, status: &str) -> String {
    SERVER.replace("KNOWN", known).replace("FORMAT", format).replace("STATUS", status)
}

fn world(base: &str, patch: &str) -> World {
    let mut world = World::new();
    let mut running = run("python3", "/usr/bin/env");
    // Asks what is no health check, and writes what it got.
    let ask = "import sys, urllib.request as r; print(r.urlopen('http://' + sys.argv[1] + '/notes').status)";
    let smoke = Smoke { command: ["python3", "-c", ask, "{address}"].map(str::to_owned).to_vec() };
    running.plan.strategy = Strategy::BlueGreen(BlueGreen {
        preview: Seconds(0),
        bake: Seconds(1),
        hold_back: Share::NONE,
        smoke: Some(smoke),
    });
    running.plan.start_deadline = Seconds(30);
    world.case.service.run = Some(running);
    fs::write(&world.case.base.artifact, base).unwrap();
    fs::write(&world.case.patch.artifact, patch).unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_after_which_the_base_does_not_come_back_is_refused() {
    if !here("python3") {
        return;
    }
    let base = server("['1']", "'1'", "200");
    let rows: [(&str, &str, Option<&str>, CheckResult, &str); 7] = [
        (&base, &base, None, Passed, "the base was healthy again"),
        (
            &base,
            &server("['1', '2']", "'2'", "200"),
            None,
            Failed,
            "does not come back after the patch: it ended before it was healthy: no such format: 2",
        ),
        (
            &base,
            &server("['1', '2']", "'2'", "200"),
            Some("the format changes"),
            Warned,
            "forward only: the format changes",
        ),
        (
            &base,
            &server("['2']", "'2'", "200"),
            None,
            Failed,
            "does not run where the base did: it ended before it was healthy: no such format: 1",
        ),
        (
            &base,
            &server("['1']", "'1'", "500"),
            None,
            Failed,
            "does not run where the base did: its smoke test failed: urllib.error.HTTPError",
        ),
        (
            "import sys; sys.exit('no database')",
            &base,
            None,
            Skipped,
            "the base does not run here, so there is no way back to rehearse: it ended before it was healthy: no database",
        ),
        (&server("['1']", "'1'", "500"), &base, None, Skipped, "its smoke test failed"),
    ];
    for (base, patch, forward_only, result, words) in rows {
        let mut world = world(base, patch);
        world.case.forward_only = forward_only.map(str::to_owned);
        let shown = world.check("rollback-rehearsal", result, words).await;
        assert_eq!(shown.rollback_milliseconds.is_some(), result == Passed, "{shown:?}");
    }
    World::new().check("rollback-rehearsal", Skipped, "has no `[run]`").await;
}
