;; Returns a state that the workflow does not have.
(data (i32.const 1200) "\00\00\00\00" "\00\09\00\00" "\05\00\00\00" "\04\08\00\00" "\02\00\00\00" "\00")
(data (i32.const 2304) "other")
(func $hostile (result i32) (i32.const 1200))
