//! A gRPC service on tonic. What `prost` would generate is written by hand below `main`, so that no compiler of `.proto`
//! files is needed; `main` is what matters.
//!
//! ```sh
//! cargo run --release -p flamewatch-examples --bin tonic
//! for i in $(seq 2000); do printf '\0\0\0\0\5order' | curl -s --http2-prior-knowledge --data-binary @- -o /dev/null \
//!     -H 'content-type: application/grpc' -H 'te: trailers' http://127.0.0.1:50051/shop.Orders/Place; done
//! flamewatch top 127.0.0.1:6060                        # who holds the memory: Orders::place
//! curl 127.0.0.1:6060/debug/routes                     # a line for each gRPC service
//! curl '127.0.0.1:6060/debug/pprof/goroutine?debug=1'
//! ```

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf as _, BufMut as _};
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService};
use tonic::service::Routes;
use tonic::transport::Server;
use tower::{Service, service_fn};

flamewatch::allocator!();

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _agent = flamewatch::start()?;
    // tonic routes by axum, so that its services are counted by route.
    let routes = Routes::new(Orders::default()).into_axum_router().layer(flamewatch::http::layer());
    Ok(Server::builder().add_routes(routes.into()).serve(([127, 0, 0, 1], 50051).into()).await?)
}

#[derive(Clone, Default)]
struct Orders {
    kept: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Orders {
    /// The leak: every order is kept, and none is ever asked for again.
    fn place(&self, order: &[u8]) -> Vec<u8> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(order.repeat(10_000));
        format!("{} orders", kept.len()).into_bytes()
    }
}

// From here on what a build script would write.

impl NamedService for Orders {
    const NAME: &'static str = "shop.Orders";
}

impl Service<Request<Body>> for Orders {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let orders = self.clone();
        Box::pin(async move {
            if request.uri().path() != "/shop.Orders/Place" {
                return Ok(Status::unimplemented("only Place").into_http());
            }
            let place = service_fn(move |order: tonic::Request<Vec<u8>>| {
                ready(Ok::<_, Status>(tonic::Response::new(orders.place(order.get_ref()))))
            });
            Ok(Grpc::new(Raw).unary(place, request).await)
        })
    }
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}
