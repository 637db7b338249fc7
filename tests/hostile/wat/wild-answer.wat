;; An answer that lies outside of the memory.
(func $hostile (result i32) (i32.const -64))
