//! What of tokio a plan begins with: the function that polls a task, under its name. Nothing of it is ever run.

/// As tokio's modules.
pub mod runtime {
    pub mod task {
        pub mod raw {
            use std::future::Future;
            use std::pin::Pin;
            use std::task::{Context, Waker};

            /// Polls the future behind `task`; `S` is what schedules it.
            pub fn poll<T: Future, S>(task: *mut ()) {
                // SAFETY: nobody calls it.
                let future = unsafe { Pin::new_unchecked(&mut *task.cast::<T>()) };
                let _ = future.poll(&mut Context::from_waker(Waker::noop()));
                std::hint::black_box(std::mem::size_of::<S>());
            }
        }
    }
    pub mod blocking {
        pub mod task {
            /// As that of tokio.
            pub struct BlockingTask<F>(pub Option<F>);

            impl<F: FnOnce() + Unpin> std::future::Future for BlockingTask<F> {
                type Output = ();

                fn poll(mut self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<()> {
                    self.0.take().into_iter().for_each(|function| function());
                    std::task::Poll::Ready(())
                }
            }
        }
    }
}
