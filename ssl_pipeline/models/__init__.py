"""Networks: encoders, decoders, formats of the latent, their layers, and the EMA teacher."""
