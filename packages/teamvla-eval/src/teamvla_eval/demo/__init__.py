"""Web demo: type an instruction in the browser and watch a team of arms execute it.

Two processes: the web server (Gradio) and the simulator, which serves every visitor in a thread of its own.

=================  ==========================================================================================
``command``        ``teamvla demo``
``settings``       settings of the operator: policies, limits
``protocol``       messages between the two processes
``simulator``      simulation process: one thread and one set of environments per visitor
``live``           one policy in one world: step, push, freeze, image
``recording``      files of an episode: demonstrations and a video
``instructions``      goal of a typed instruction
``visitors``       connected visitors of the web server and their limit
``page``           page and handlers of its buttons
``drawing``        HTML of a frame
``gate``           filter of requests: only those of the page, for the configured address, without files
``server``         web server with the page behind the gate
=================  ==========================================================================================
"""
