;; Calls itself, twice as often each time.
(func $deep (call $deep) (call $deep))
(func $hostile (result i32) (call $deep) unreachable)
