#![allow(unused)]
fn main(){}
