//! Starts fixture programs and asks them questions.
