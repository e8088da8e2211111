//! The debug pages in the server that the service has anyway, for where only one port is to be had.
//!
//! Whoever can reach that server can ask, so that nothing is answered without the token. The port of its own is the better
//! way where there can be one: a service whose workers are all blocked accepts no request.
//!
//! ```sh
//! export FLAMEWATCH_TOKEN=a-token-of-enough-characters FLAMEWATCH_URL=http://127.0.0.1:8080
//! cargo run --release -p flamewatch-examples --bin mounted
//! curl 127.0.0.1:8080/hello
//! curl -H "Authorization: Bearer $FLAMEWATCH_TOKEN" 127.0.0.1:8080/metrics
//! flamewatch top 127.0.0.1:8080                        # takes the token from the same variable
//! flamewatch fetch 127.0.0.1:8080 cpu --seconds 5      # a browser asks for a password: that is the token
//! ```

use axum::Router;
use axum::routing::get;
use flamewatch::Agent;

flamewatch::allocator!();

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let agent = Agent::builder().without_port().start()?;
    let app = Router::new()
        .route("/hello", get(async || "hello\n"))
        .layer(flamewatch::http::layer())
        // The pages link to each other by /debug/, so that is where they are.
        .route_service("/debug/", agent.pages())
        .route_service("/debug/{*page}", agent.pages())
        .route_service("/metrics", agent.pages());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    Ok(axum::serve(listener, app).await?)
}
