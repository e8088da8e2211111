//! A program that knows what stands at twelve of its own addresses. Each is printed as a line of JSON: the name of
//! the point, the address, whether it is a return address or one being executed, and the functions that stand there,
//! innermost first, each with file and line. What is mapped follows. The argument is the library of `library.rs`.
//! The tests compile it in many forms; it belongs to no package.

mod sys;
mod trail;

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Waker};

use trail::Trail;

#[inline(always)]
fn leaf(trail: &mut Trail) {
    trail.at("truth::leaf").mark();
    black_box(()); // Keeps the call before it from becoming a jump, here and below.
}

#[inline(always)]
fn middle(trail: &mut Trail) {
    leaf(trail.at("truth::middle"));
}

#[inline(always)]
fn upper(trail: &mut Trail) {
    middle(trail.at("truth::upper"));
}

#[inline(never)]
fn plain(mut trail: Trail) {
    trail.at("truth::plain").mark();
    black_box(());
}

#[inline(never)]
fn executing(mut trail: Trail) {
    let address = sys::pc(trail.at("truth::executing"));
    trail.mark_pc(address);
    black_box(());
}

#[inline(never)]
fn nest_of_two(mut trail: Trail) {
    middle(trail.at("truth::nest_of_two"));
}

#[inline(never)]
fn nest_of_three(mut trail: Trail) {
    upper(trail.at("truth::nest_of_three"));
}

#[inline(never)]
fn closure(mut trail: Trail) {
    let closure = |trail: &mut Trail| leaf(trail.at("truth::closure::{closure}"));
    let called: &dyn Fn(&mut Trail) = black_box(&closure);
    called(&mut trail);
}

#[inline(always)]
fn weigh<T: Default>(trail: &mut Trail) -> T {
    trail.at("truth::weigh").mark();
    black_box(T::default())
}

#[inline(never)]
fn generic<T: Default>(mut trail: Trail) -> T {
    weigh(trail.at("truth::generic"))
}

trait Shape {
    fn area(&self, trail: Trail);
}

struct Square;

impl Shape for Square {
    fn area(&self, mut trail: Trail) {
        leaf(trail.at("<truth::Square as truth::Shape>::area"));
    }
}

async fn fetch(mut trail: Trail) {
    middle(trail.at("truth::fetch::{closure}"));
}

fn poll_by_hand(trail: Trail) {
    let mut future: Pin<Box<dyn Future<Output = ()>>> = black_box(Box::pin(fetch(trail)));
    let ready = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(ready.is_ready());
}

#[inline(never)]
fn thread_entry(mut trail: Trail) {
    leaf(trail.at("truth::thread_entry"));
}

fn main() {
    plain(Trail::to("plain function"));
    executing(Trail::to("being executed"));
    nest_of_two(Trail::to("nest of two"));
    nest_of_three(Trail::to("nest of three"));
    closure(Trail::to("closure"));
    generic::<u32>(Trail::to("generic"));
    let shape: &dyn Shape = black_box(&Square);
    shape.area(Trail::to("trait implementation"));
    poll_by_hand(Trail::to("async function"));
    std::thread::spawn(|| thread_entry(Trail::to("thread"))).join().expect("no panic");
    sys::cpp("C++ template");
    if let Some(library) = std::env::args().nth(1) {
        sys::call_library(&library, "truth_library");
    }
    print!("{}", std::fs::read_to_string("/proc/self/maps").expect("/proc/self/maps"));
}
