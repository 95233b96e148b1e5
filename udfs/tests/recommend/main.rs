//! `recommend`, `recommend_all` and `listening_profile` in a plain session: what is promised of every row.

mod calls;
mod coach;
mod mirror;
mod session;
