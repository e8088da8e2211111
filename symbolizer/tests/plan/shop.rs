//! A program with futures of each kind, whose chains the tests know from this source: `line: NAME` marks where one waits.
//! It says where its futures are and of which kind each is, and ends.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A future that nobody knows the inside of.
struct Leaf(u64);

impl Future for Leaf {
    type Output = u64;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u64> {
        if std::hint::black_box(self.0) == 7 { Poll::Ready(7) } else { Poll::Pending }
    }
}

async fn inner(number: u64) -> u64 {
    let kept = [number; 3];
    let more = Leaf(number).await; // line: leaf
    kept[0] + more
}

async fn outer(number: u64) -> u64 {
    let first = Leaf(7).await;
    let second = inner(number).await; // line: inner
    first + second
}

async fn boxed() -> u64 {
    let future: Pin<Box<dyn Future<Output = u64> + Send>> = Box::pin(async { outer(2).await }); // line: in the box
    future.await // line: box
}

async fn borrowed() -> u64 {
    let mut future = Box::pin(outer(3));
    future.as_mut().await // line: borrow
}

/// As `Either` and `MaybeDone` of futures are.
enum Either<A, B> {
    Left(A),
    Right(B),
}

impl<A: Future<Output = u64>, B: Future<Output = u64>> Future for Either<A, B> {
    type Output = u64;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u64> {
        // SAFETY: what is pinned stays where it is.
        match unsafe { self.get_unchecked_mut() } {
            // SAFETY: the same.
            Self::Left(left) => unsafe { Pin::new_unchecked(left) }.poll(context),
            // SAFETY: the same.
            Self::Right(right) => unsafe { Pin::new_unchecked(right) }.poll(context),
        }
    }
}

async fn either() -> u64 {
    let which = if std::hint::black_box(true) { Either::Right(outer(4)) } else { Either::Left(Leaf(1)) };
    which.await // line: either
}

/// As `select!` and `join!` are.
async fn both() -> u64 {
    let mut futures = (std::pin::pin!(outer(5)), std::pin::pin!(inner(6)));
    std::future::poll_fn(move |context| match futures.0.as_mut().poll(context) {
        Poll::Ready(ready) => Poll::Ready(ready),
        Poll::Pending => futures.1.as_mut().poll(context),
    })
    .await // line: both
}

/// As `select!` is: of the first nobody knows the inside, and whether it is still polled.
async fn first() -> u64 {
    let mut futures = (Leaf(10), std::pin::pin!(inner(11)));
    let futures = &mut futures;
    std::future::poll_fn(|context| {
        let (one, other) = &mut *futures;
        match Pin::new(one).poll(context) {
            Poll::Ready(ready) => Poll::Ready(ready),
            Poll::Pending => other.as_mut().poll(context),
        }
    })
    .await // line: first
}

struct Shop {
    number: u64,
}

impl Shop {
    async fn place(&self) -> u64 {
        inner(self.number).await // line: method
    }
}

async fn method() -> u64 {
    let shop = Shop { number: 8 };
    shop.place().await // line: place
}

fn recursive(depth: u32) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if depth > 0 {
            return recursive(depth - 1).await; // line: again
        }
        Leaf(9).await // line: last
    })
}

async fn deep() -> u64 {
    recursive(2).await // line: deep
}

/// Says where a future is that was polled once, and what polls it.
fn tell<T: Future<Output = u64>>(name: &str, future: T) {
    let mut future = Box::pin(future);
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let poll: fn(*mut ()) = tokio::runtime::task::raw::poll::<T, u8>;
    let bytes = std::mem::size_of::<T>();
    println!("{name} {:#x} {bytes} {:#x}", poll as usize, &raw const *future as usize);
    std::mem::forget(future);
}

fn main() {
    tell("leaf", Leaf(1));
    tell("outer", outer(1));
    tell("boxed", boxed());
    tell("borrowed", borrowed());
    tell("either", either());
    tell("both", both());
    tell("first", first());
    tell("method", method());
    tell("deep", deep());
    let block = tokio::runtime::task::raw::poll::<tokio::runtime::blocking::task::BlockingTask<fn()>, u8>;
    println!("blocking {:#x} 0 0x0", block as fn(*mut ()) as usize);
    println!("{}", std::fs::read_to_string("/proc/self/maps").expect("/proc"));
    // Whoever evaluates what was told reads it from here, and then lets it end.
    let _ = std::io::stdin().read_line(&mut String::new());
}
