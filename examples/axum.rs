//! A service on axum: the two lines, and two more that tell its routes and its tasks apart.
//!
//! ```sh
//! cargo run --release -p flamewatch-examples --bin axum
//! for i in $(seq 2000); do curl -s 127.0.0.1:8080/orders/$i > /dev/null; done
//! flamewatch top 127.0.0.1:6060                        # who holds the memory: orders::keep
//! curl 127.0.0.1:6060/debug/routes                     # how often and how long, by route
//! curl '127.0.0.1:6060/debug/pprof/goroutine?debug=1'  # tasks by the line that spawned them
//! ```

use axum::Router;
use axum::extract::Path;
use axum::routing::get;

flamewatch::allocator!(); // the first line: jemalloc, with its sampling on

mod orders {
    use std::sync::{Mutex, PoisonError};

    static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

    /// The leak: every order is kept, and none is ever asked for again.
    pub(crate) fn keep(id: u64) {
        let order = format!("order {id}").into_bytes().repeat(2_000);
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(order);
    }
}

async fn order(Path(id): Path<u64>) -> String {
    orders::keep(id);
    // `tokio::spawn`, and counted under this line and this route.
    flamewatch::spawn(async { tokio::time::sleep(std::time::Duration::from_secs(30)).await });
    format!("order {id} is kept\n")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _agent = flamewatch::start()?; // the second line: settings from FLAMEWATCH_*, safe defaults
    let app = Router::new()
        .route("/orders/{id}", get(order))
        // After the routes, so that it knows which of them a request is for.
        .layer(flamewatch::http::layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    Ok(axum::serve(listener, app).await?)
}
