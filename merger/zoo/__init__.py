"""The bundled experts: how they are read (`read`) and how they are made (`build`)."""
